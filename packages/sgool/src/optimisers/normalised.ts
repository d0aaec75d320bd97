/** @file Steps of one angle along the sphere. */
import type { OptimiserSettings } from '../request/settings/optimiser.ts';
import { heldState } from '../state.ts';
import { type LatentOptimiser, type LatentOptimiserOptions, perturbed } from './optimiser.ts';
import { norm, renormalised, runningMean, tangent, turned, unit } from './sphere.ts';

/**
 * Gradient descent on the sphere with steps of one size: the direction is the gradient without its radial part, scaled to
 * length 1; momentum is a running mean of directions, carried along the sphere; the latent turns by `learningRate`
 * radians. The scale of the loss and the norm of the latent do not matter, so one learning rate serves all models.
 */
export function normalisedOptimiser(
  {
    learningRate,
    momentum,
    perturbation,
  }: Pick<OptimiserSettings, 'learningRate' | 'momentum' | 'perturbation'>,
  { norm: length, noise }: LatentOptimiserOptions,
): LatentOptimiser {
  let velocity: Float64Array | undefined;
  return {
    name: 'normalised',
    update(latent, gradient) {
      const radius = norm(latent);
      const direction = unit(tangent(gradient, latent, radius));
      velocity = tangent(runningMean(direction, velocity, momentum), latent, radius);
      const back = unit(velocity).map((value) => -value);
      const next = turned(latent, back, learningRate);
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
