/**
 * @file The contract of all optimisers: how a gradient moves the starting noise.
 *
 * An optimiser is made for one run, because it remembers momentum. It keeps the noise on its sphere: the network was not trained
 * on noise of another length.
 */
import type { OptimiserName } from '../request/settings/optimiser.ts';
import type { Stateful } from '../state.ts';

/** Its state is what it remembers of earlier gradients: running means, lines, angles. */
export interface LatentOptimiser extends Stateful {
  readonly name: OptimiserName;
  /**
   * Whether it compares losses: those between two gradients (steps), or all of them (run). The loss is then one function that long,
   * with the same cutouts and regions.
   */
  readonly compares?: 'steps' | 'run';
  /**
   * For optimisers that compare losses: called with each latent before its gradient is taken. The returned latent is evaluated
   * next, and this one gets no gradient. If it returns none, `update` is called.
   */
  reconsider?(latent: Float64Array, loss: number): Float64Array | undefined;
  /**
   * The next latent. No argument is changed.
   *
   * @param gradient dL/dz. Where the sampler starts several copies of the latent (EDICT: two), the mean over the copies of
   *   the gradient of the loss summed over the results.
   * @param loss of this latent
   */
  update(latent: Float64Array, gradient: Float64Array, loss: number): Float64Array;
}

export interface LatentOptimiserOptions {
  /** Norm that the latent keeps: that of the first noise. Without it the norm is free. */
  readonly norm?: number;
  /** Standard normal numbers, for the perturbation. */
  readonly noise: (count: number) => ArrayLike<number>;
}

/** The latent plus noise of the given standard deviation; draws nothing if that is 0. */
export function perturbed(
  latent: Float64Array,
  deviation: number,
  noise: LatentOptimiserOptions['noise'],
): Float64Array {
  if (deviation === 0) return latent;
  const fresh = noise(latent.length);
  return latent.map((value, i) => value + deviation * fresh[i]);
}
