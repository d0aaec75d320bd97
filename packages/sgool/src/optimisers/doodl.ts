/** @file The update rule of DOODL. */
import type { OptimiserSettings } from '../request/settings/optimiser.ts';
import { heldState } from '../state.ts';
import { type LatentOptimiser, type LatentOptimiserOptions, perturbed } from './optimiser.ts';
import { renormalised } from './sphere.ts';

export type DoodlSettings = Pick<
  OptimiserSettings,
  'gradScale' | 'clipGradient' | 'momentum' | 'nesterov' | 'perturbation'
>;

/**
 * DOODL's update, in DOODL's order: scale, clip each element, momentum, perturb, average the pair, renormalise. The learning rate is 1:
 * an element moves by `clipGradient` at most in the first step, and by ten times that with momentum 0.9.
 *
 *     g = clamp(-½ · gradScale · dL/dz, ±clipGradient);  v ← g + momentum · v;  z ← z + v  (nesterov: z + g + momentum · v)
 *
 * The published code keeps a pair of latents, each with the gradient -½·dL/dcopy, and averages the pair; all its steps
 * are the same for both, so one latent with the mean gradient does the same. (Pairs that differ are not offered.) It keeps them
 * in float16, where part of an update is lost to rounding; here they are float64.
 *
 * Reference: Wallace, Gokul, Ermon, Naik 2023, "End-to-End Diffusion Latent Optimization Improves Classifier Guidance", and
 * its published code.
 */
export function doodlOptimiser(
  { gradScale, clipGradient, momentum, nesterov, perturbation }: DoodlSettings,
  { norm: length, noise }: LatentOptimiserOptions,
): LatentOptimiser {
  let velocity: Float64Array | undefined;
  return {
    name: 'doodl',
    update(latent, gradient) {
      const clipped = gradient.map((value) =>
        Math.min(clipGradient, Math.max(-clipGradient, -0.5 * gradScale * value)),
      );
      const before = velocity;
      const moved = before ? clipped.map((value, i) => value + momentum * before[i]) : clipped;
      velocity = moved;
      const step = nesterov ? clipped.map((value, i) => value + momentum * moved[i]) : moved;
      const next = latent.map((value, i) => value + step[i]);
      return renormalised(perturbed(next, perturbation, noise), length);
    },
    ...heldState<Float64Array | undefined>(
      () => velocity,
      (state) => {
        velocity = state;
      },
    ),
  };
}
