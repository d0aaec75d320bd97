/**
 * @file The contract of all searches: which noise is tried next, from the scores of those before. No gradient is taken.
 *
 * A search is made for one run. It is told of every noise that was tried, the one that the run began with first.
 */
import type { FreshNoise } from '../../diffusion/fresh-noise.ts';
import type { Seed } from '../../random/seed.ts';
import type { Stateful } from '../../state.ts';

/** A noise to try. */
export interface Candidate {
  /** The starting noise, `[channels, height, width]`. */
  readonly noise: Float64Array;
  /** The noise between the steps of a stochastic sampler. Default that of the run, so that only the starting noise is searched. */
  readonly freshNoise?: FreshNoise;
  /** The seed that makes this noise, where one does. */
  readonly seed?: Seed;
}

/** Its state is what it remembers of the noises before. */
export interface NoiseSearch extends Stateful {
  /**
   * The next candidate.
   *
   * @param iteration index of the iteration that tries it, from 1 on
   * @param share how much of the run is over, from 0 to 1
   */
  propose(iteration: number, share: number): Candidate;
  /**
   * Takes the score of a candidate: of the first noise, then of each that was proposed.
   *
   * @param noise is not changed
   * @param score higher is better
   */
  tell(noise: Float64Array, score: number): void;
}

/** Where a search draws its random numbers from. */
export interface SearchRandom {
  /** Standard normal numbers. */
  readonly normal: (count: number) => ArrayLike<number>;
  /** Uniform numbers from 0 up to 1. */
  readonly uniform: (count: number) => ArrayLike<number>;
}
