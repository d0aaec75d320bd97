/** @file The names of the saliency models, and which of them is the default. */

/** Names of the saliency models. */
export const SALIENCY_NAMES = [
  'transalnet',
  'grad-cam',
  'grad-cam++',
  'spectral-residual',
  'centre',
  'mask',
] as const;
/** Name of a saliency model. */
export type SaliencyName = (typeof SALIENCY_NAMES)[number];

/** The networks that decide which saliency models are available. */
export interface SaliencyNetworks {
  readonly clip: boolean;
  readonly transalnet: boolean;
}

/**
 * The best saliency model that the model has the networks for.
 *
 * @param hasPrompt whether there is a prompt, which Grad-CAM needs
 */
export function defaultDetector({ clip, transalnet }: SaliencyNetworks, hasPrompt: boolean): SaliencyName {
  if (transalnet) return 'transalnet';
  return clip && hasPrompt ? 'grad-cam' : 'spectral-residual';
}
