/** @file What methods draw random numbers from: torch's generator of the CPU or that of CUDA. */

import type { Stateful } from '../state.ts';
import { Generator } from './generator.ts';
import { PhiloxGenerator } from './philox.ts';
import type { Seed } from './seed.ts';

/** Names of the generators. */
export const RNG_NAMES = ['cpu', 'cuda'] as const;
/** Name of a generator. */
export type RngName = (typeof RNG_NAMES)[number];

/** A stream of random numbers. Its state is its position. */
export interface RandomSource extends Pick<Generator, 'rand' | 'randn' | 'randint' | 'randperm'>, Stateful {}

/** The generator of a name, as after `torch.manual_seed(seed)`. */
export function randomSource(rng: RngName, seed: Seed): RandomSource {
  return rng === 'cuda' ? new PhiloxGenerator(seed) : new Generator(seed);
}
