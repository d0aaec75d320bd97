/** @file Chains that begin in the middle: from a noised latent instead of pure noise. */
import type { NoisePath } from './noise-path.ts';

/**
 * The path for samplers that leave the first steps of a chain out. They then hold the remaining steps only, and begin with a
 * latent of the level where the first of these begins, without a history.
 *
 * Reference: diffusers' pipelines with a strength (`get_timesteps`). There PNDM takes the first two of the remaining steps for its
 * trial and the correction, and LMS leaves terms of its first sums out; here both begin as at the start of a chain.
 *
 * @param skipped steps that are left out; the chain must have more
 * @param onStart called with the level where the chain of a sampler begins
 */
export function pathFrom(path: NoisePath, skipped: number, onStart?: (level: number) => void): NoisePath {
  return {
    ...path,
    stops(steps, options) {
      const { timesteps, levels, ends, endScale } = path.stops(steps, options);
      onStart?.(levels[skipped]);
      return {
        timesteps: timesteps.slice(skipped),
        levels: levels.slice(skipped),
        ...(ends === undefined ? {} : { ends: ends.slice(skipped) }),
        startScale: 1,
        endScale,
        skipped,
      };
    },
  };
}
