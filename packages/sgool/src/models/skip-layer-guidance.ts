/**
 * @file Skip-layer guidance: in the first steps the guided prediction also moves away from that of the network without some of its
 * layers, which knows the prompt but draws bodies and letters worse.
 *
 *     v = u + w·(c - u) + s·(c - c without the layers)
 *
 * Reference: Hyung et al. 2025, "Spatiotemporal Skip Guidance for Enhanced Video Diffusion Sampling"; Stability-AI/sd3.5, SkipLayerCFGDenoiser;
 * diffusers, StableDiffusion3Pipeline (`skip_guidance_layers`, whose defaults and rounding these are).
 */
import { UserError } from '../errors.ts';

/** Which layers are left out, how strongly, and in which steps. */
export interface SkipLayerGuidance {
  /** Indices of blocks of the network, from 0. */
  readonly layers: readonly number[];
  /** s. */
  readonly scale: number;
  /** Shares of the steps: those strictly between `start` and `stop` times their number, counted from 0. */
  readonly start: number;
  readonly stop: number;
}

/**
 * Whether a step is guided so.
 *
 * @param step from 0, the noisiest
 */
export const skipsAt = (
  { start, stop }: Pick<SkipLayerGuidance, 'start' | 'stop'>,
  step: number,
  steps: number,
): boolean => step > start * steps && step < stop * steps;

/** @throws UserError where a network has no such layers; `count` is the number that can be left out, undefined for none */
export function checkSkippedLayers(
  layers: readonly number[],
  count: number | undefined,
  model: string,
): void {
  const got = layers.join(',');
  if (count === undefined) {
    throw new UserError(
      `request: skipGuidanceLayers must be empty for ${model}, got ${got}; only Stable Diffusion 3 and 3.5 have layers that guidance can skip`,
    );
  }
  if (layers.every((layer) => layer < count)) return;
  throw new UserError(
    `request: skipGuidanceLayers must be layers from 0 to ${count - 1} for ${model}, got ${got}; the authors of Stable Diffusion 3.5 medium skip 7,8,9`,
  );
}

/**
 * Weights that need no evaluation beside those of guidance and of the network without the layers:
 * `u + w·(c - u) + s·(c - k)` is `(1 + s)·(u + w'·(c - u)) - s·k` with `w' = (w + s) / (1 + s)`.
 */
export const skippingWeights = (guidanceScale: number, { scale }: Pick<SkipLayerGuidance, 'scale'>) => ({
  /** w', which takes the place of the guidance scale. */
  guidanceScale: (guidanceScale + scale) / (1 + scale),
  /** On what that guidance gives. */
  guided: 1 + scale,
  /** On the prediction without the layers. */
  skipped: -scale,
});
