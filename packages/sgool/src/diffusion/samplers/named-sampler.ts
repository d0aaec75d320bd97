/** @file Samplers by the names that users write. */

import { oneOf, UserError } from '../../errors.ts';
import type { FreshNoise } from '../fresh-noise.ts';
import type { NoisePath, SIGMA_SPREADS, StepEnds } from '../noise-path.ts';
import type { Sampler } from '../sampler.ts';
import { SAMPLER_OPTIONS, type SamplerName } from '../sampler-names.ts';
import { checkSchedulerKeys } from '../scheduler-keys.ts';
import { ddim } from './ddim.ts';
import { dpmSde } from './dpm-sde.ts';
import { dpmAlgorithm, dpmSolver } from './dpm-solver.ts';
import { edict } from './edict.ts';
import { euler, eulerAncestral, renoises } from './euler.ts';
import { heun } from './heun.ts';
import { lcm } from './lcm.ts';
import { lms } from './lms.ts';
import { midpoint } from './midpoint.ts';
import { pndm } from './pndm.ts';
import { reversibleHeun } from './reversible-heun.ts';
import { tcd } from './tcd.ts';
import { unipc } from './unipc.ts';

/** What a user may set of a sampler; each takes what it knows. */
export interface SamplerSettings {
  readonly sampler: SamplerName;
  readonly steps: number;
  /** ddim and tcd: fresh noise between the steps, 0 to 1. */
  readonly eta: number;
  /** Spread of the noise levels; `model` is what the scheduler's file says. */
  readonly sigmas: 'model' | (typeof SIGMA_SPREADS)[number];
  /** ddim and edict: where steps end that do not divide the trained timesteps. */
  readonly stepEnds: StepEnds;
  /** edict: p. */
  readonly mixingWeight: number;
  /** edict: which latents are the result. */
  readonly edictOutput: 'both' | 'x';
}

/** How often a sampler draws fresh noise of the size of a latent; 0 for a deterministic one. */
export function freshNoiseCount(
  path: NoisePath,
  { sampler, steps, eta }: Pick<SamplerSettings, 'sampler' | 'steps' | 'eta'>,
): number {
  switch (sampler) {
    case 'euler-ancestral':
    case 'lcm':
    case 'dpm-2m-sde':
      return steps;
    case 'dpm-sde':
      return 2 * steps;
    case 'euler':
      return renoises(path) ? steps : 0;
    case 'dpm-solver':
      return dpmAlgorithm(path).startsWith('sde-') ? steps : 0;
    case 'ddim':
    case 'tcd':
      return eta > 0 ? steps : 0;
    default:
      return 0;
  }
}

export interface NamedSamplerOptions {
  /** For stochastic samplers ({@link freshNoiseCount}). */
  readonly freshNoise?: FreshNoise;
  /** Step that the chain begins with: EDICT's turns are counted from it, and multistep samplers remember nothing before it. Default 0. */
  readonly firstStep?: number;
}

/**
 * Makes the sampler that the settings name.
 *
 * @throws UserError where a key of the scheduler's file or a setting is not supported with it, a stochastic sampler gets no noise, or
 *   a number is out of range
 */
export function namedSampler(
  path: NoisePath,
  { sampler, steps, eta, sigmas: chosen, stepEnds, mixingWeight, edictOutput }: SamplerSettings,
  { freshNoise, firstStep }: NamedSamplerOptions = {},
): Sampler {
  checkSchedulerKeys(sampler, path.config, path.kind);
  const sigmas = chosen === 'model' ? undefined : chosen;
  refuseUnread({ sampler, sigmas: chosen, eta, stepEnds });
  switch (sampler) {
    case 'ddim':
      return ddim(path, steps, { eta, freshNoise, stepEnds });
    case 'edict':
      return edict(path, steps, { mixingWeight, output: edictOutput, stepEnds, firstStep });
    case 'pndm':
      return pndm(path, steps, { firstStep });
    case 'dpm-solver':
      return dpmSolver(path, steps, { sigmas, freshNoise, firstStep });
    case 'dpm-2m-sde':
      return dpmSolver(path, steps, { sigmas, freshNoise, firstStep, algorithm: 'sde-dpmsolver++' });
    case 'dpm-sde':
      return dpmSde(path, steps, { sigmas, freshNoise });
    case 'unipc':
      return unipc(path, steps, { sigmas, firstStep });
    case 'heun':
      return heun(path, steps, { sigmas });
    case 'midpoint':
      return midpoint(path, steps, { sigmas });
    case 'reversible-heun':
      return reversibleHeun(path, steps, { sigmas, firstStep });
    case 'lms':
      return lms(path, steps, { sigmas, firstStep });
    case 'euler':
      return euler(path, steps, { sigmas, freshNoise });
    case 'euler-ancestral':
      return eulerAncestral(path, steps, { freshNoise });
    case 'lcm':
      return lcm(path, steps, { freshNoise });
    case 'tcd':
      return tcd(path, steps, { eta, freshNoise });
  }
}

/** @throws UserError for a value that the sampler would pass over */
function refuseUnread({
  sampler,
  ...values
}: Pick<SamplerSettings, 'sampler' | 'sigmas' | 'eta' | 'stepEnds'>): void {
  for (const key of ['sigmas', 'eta', 'stepEnds'] as const) {
    const { readBy, neutral } = SAMPLER_OPTIONS[key];
    if (values[key] === neutral || (readBy as readonly SamplerName[]).includes(sampler)) continue;
    throw new UserError(
      `${key}: ${values[key]} is not supported with the sampler ${sampler}; use ${oneOf(readBy)}`,
    );
  }
}
