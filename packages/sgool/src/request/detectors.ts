/** @file The names of the saliency models, and which of them is the default. */

/** Names of the saliency models. */
export const SALIENCY_NAMES = [
  'transalnet',
  'grad-cam',
  'grad-cam++',
  'attention',
  'spectral-residual',
  'centre',
  'random',
  'judge',
  'mask',
  'none',
] as const;
/** Name of a saliency model. */
export type SaliencyName = (typeof SALIENCY_NAMES)[number];

/** A saliency model: one of those that have names, or an ONNX file with its description beside it. */
export type SaliencyChoice = SaliencyName | `${string}.onnx`;

/** Whether a text names an ONNX file. */
export const isOnnxFile = (text: string): text is `${string}.onnx` => /.\.onnx$/i.test(text);

/** Whether a text names a saliency model. */
export const isSaliency = (text: string): text is SaliencyChoice =>
  isOnnxFile(text) || SALIENCY_NAMES.some((name) => name === text);

/** What saliency models look with, by the names of `sgool evaluate`'s scores. The others look with a network that scores nothing. */
const LOOKS_WITH: Readonly<Partial<Record<string, string>>> = {
  'grad-cam': 'clip_a',
  'grad-cam++': 'clip_a',
  judge: 'judge',
};

/** The scores that guide a method whose regions come from this saliency model, and so cannot judge it. */
export function scoresBehind(name: SaliencyChoice): readonly string[] {
  const score = LOOKS_WITH[name];
  return score === undefined ? [] : [score];
}

/** Saliency models that give boxes, or nothing, in place of a map. */
const WITHOUT_MAP: readonly string[] = ['random', 'judge', 'none'] satisfies SaliencyName[];

/** Whether a saliency model gives a map, of which a threshold makes the regions. */
export const givesMap = (name: string): boolean => !WITHOUT_MAP.includes(name);

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
