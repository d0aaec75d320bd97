/** @file Adam. */
import type { OptimiserSettings } from '../request/settings/optimiser.ts';
import { type LatentOptimiser, type LatentOptimiserOptions, perturbed } from './optimiser.ts';
import { renormalised } from './sphere.ts';

interface AdamState {
  readonly steps: number;
  readonly mean?: Float64Array;
  readonly square?: Float64Array;
}

/**
 * Adam on the elements of the latent, which returns to the sphere after each step.
 *
 * Reference: Kingma and Ba 2015. The decay of the first moment is `momentum`; of the second 0.999.
 */
export function adamOptimiser(
  {
    learningRate,
    momentum,
    perturbation,
  }: Pick<OptimiserSettings, 'learningRate' | 'momentum' | 'perturbation'>,
  { norm: length, noise }: LatentOptimiserOptions,
): LatentOptimiser {
  const decay = 0.999;
  let steps = 0;
  let mean: Float64Array | undefined;
  let square: Float64Array | undefined;
  return {
    name: 'adam',
    update(latent, gradient) {
      steps++;
      mean ??= new Float64Array(latent.length);
      square ??= new Float64Array(latent.length);
      const next = latent.slice();
      for (let i = 0; i < next.length; i++) {
        mean[i] = momentum * mean[i] + (1 - momentum) * gradient[i];
        square[i] = decay * square[i] + (1 - decay) * gradient[i] ** 2;
        const first = mean[i] / (1 - momentum ** steps);
        const second = square[i] / (1 - decay ** steps);
        next[i] -= (learningRate * first) / (Math.sqrt(second) + 1e-12);
      }
      return renormalised(perturbed(next, perturbation, noise), length);
    },
    state: (): AdamState => ({ steps, mean: mean?.slice(), square: square?.slice() }),
    restore(state: AdamState) {
      steps = state.steps;
      mean = state.mean?.slice();
      square = state.square?.slice();
    },
  };
}
