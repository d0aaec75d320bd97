/** @file Gradients through a random part of the network calls. */
import { UserError } from '../errors.ts';
import type { Denoiser } from './denoiser.ts';

/**
 * A denoiser that predicts as the given one does, and whose pullback runs the network with probability `share` only. The result
 * then counts 1/share times, otherwise it is zero: what is left of a step is how it scales the latent, which costs nothing. Calls
 * are drawn independently and a chain's gradient is linear in each Jacobian, so the mean over many draws is the true gradient.
 *
 * @param share from 0 (no pullback runs the network) to 1 (all do)
 * @param uniform a number in [0, 1), drawn for each pullback
 * @throws UserError if `share` is out of range
 */
export function sparseJacobian(denoiser: Denoiser, share: number, uniform: () => number): Denoiser {
  if (!(share >= 0 && share <= 1)) {
    throw new UserError(`sparseJacobian: share must be between 0 and 1, got ${share}`);
  }
  return {
    ...denoiser,
    async pullback(latent, timestep, cotangent) {
      if (uniform() >= share) return new Float64Array(latent.length);
      const gradient = await denoiser.pullback(latent, timestep, cotangent);
      return gradient.map((value) => value / share);
    },
  };
}
