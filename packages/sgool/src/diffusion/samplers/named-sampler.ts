/** @file Samplers by the names that users write. */

import type { FreshNoise } from '../fresh-noise.ts';
import type { NoisePath } from '../noise-path.ts';
import type { Sampler } from '../sampler.ts';
import { ddim } from './ddim.ts';
import { dpmSolver } from './dpm-solver.ts';
import { edict } from './edict.ts';
import { euler, eulerAncestral } from './euler.ts';
import { lcm } from './lcm.ts';
import { pndm } from './pndm.ts';

export const SAMPLER_NAMES = [
  'ddim',
  'edict',
  'pndm',
  'dpm-solver',
  'euler',
  'euler-ancestral',
  'lcm',
] as const;
export type SamplerName = (typeof SAMPLER_NAMES)[number];

/** What a user may set of a sampler; each takes what it knows. */
export interface SamplerSettings {
  readonly sampler: SamplerName;
  readonly steps: number;
  /** ddim: fresh noise between the steps, 0 to 1. */
  readonly eta: number;
  /** edict: p. */
  readonly mixingWeight: number;
  /** edict: which latents are the result. */
  readonly edictOutput: 'both' | 'x';
}

/** Whether a sampler adds fresh noise between its steps. */
export function isStochastic({ sampler, eta }: Pick<SamplerSettings, 'sampler' | 'eta'>): boolean {
  return sampler === 'euler-ancestral' || sampler === 'lcm' || (sampler === 'ddim' && eta > 0);
}

/**
 * Makes the sampler that the settings name.
 *
 * @param freshNoise for stochastic samplers ({@link isStochastic})
 * @throws UserError where a stochastic sampler gets none, or a number is out of range
 */
export function namedSampler(
  path: NoisePath,
  { sampler, steps, eta, mixingWeight, edictOutput }: SamplerSettings,
  freshNoise?: FreshNoise,
): Sampler {
  switch (sampler) {
    case 'ddim':
      return ddim(path, steps, { eta, freshNoise });
    case 'edict':
      return edict(path, steps, { mixingWeight, output: edictOutput });
    case 'pndm':
      return pndm(path, steps);
    case 'dpm-solver':
      return dpmSolver(path, steps);
    case 'euler':
      return euler(path, steps);
    case 'euler-ancestral':
      return eulerAncestral(path, steps, { freshNoise });
    case 'lcm':
      return lcm(path, steps, { freshNoise });
  }
}
