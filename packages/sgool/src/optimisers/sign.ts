/** @file Descent along the sign of the gradient. */
import type { OptimiserSettings } from '../request/settings/optimiser.ts';
import { heldState } from '../state.ts';
import { type LatentOptimiser, type LatentOptimiserOptions, perturbed } from './optimiser.ts';
import { renormalised, runningMean } from './sphere.ts';

/**
 * Each element moves by the learning rate against the sign of its gradient, or, with momentum, of a running mean of gradients;
 * then the latent returns to the sphere. DOODL's update amounts to this where it clips every element.
 *
 * Reference: Bernstein et al. 2018, "signSGD: Compressed Optimisation for Non-Convex Problems".
 */
export function signOptimiser(
  {
    learningRate,
    momentum,
    perturbation,
  }: Pick<OptimiserSettings, 'learningRate' | 'momentum' | 'perturbation'>,
  { norm: length, noise }: LatentOptimiserOptions,
): LatentOptimiser {
  let mean: Float64Array | undefined;
  return {
    name: 'sign',
    update(latent, gradient) {
      const blended = runningMean(gradient, mean, momentum);
      mean = blended;
      const next = latent.map((value, i) => value - learningRate * Math.sign(blended[i]));
      return renormalised(perturbed(next, perturbation, noise), length);
    },
    ...heldState<Float64Array | undefined>(
      () => mean,
      (state) => {
        mean = state;
      },
    ),
  };
}
