/**
 * @file Euler's method, plain and ancestral: the samplers of SD-Turbo and similar models.
 *
 * The literature writes it for latents that grow with the noise, `x = z / signal`, with σ = noise / signal:
 *
 *     x' = x + (σ_down - σ)·ε + σ_up·fresh noise
 *
 * where the plain one has σ_down = σ' and σ_up = 0, and the ancestral one `σ_up² = σ'²·(σ² - σ'²)/σ²`, `σ_down² = σ'² - σ_up²`. For z
 * that is DDIM's step, with eta 0 and 1; what differs are the timesteps and where the chain starts and ends.
 *
 * Reference: Karras et al. 2022, algorithm 1 (no churn); Crowson's k-diffusion for the ancestral split of σ'; details as in
 * diffusers' EulerDiscreteScheduler and EulerAncestralDiscreteScheduler.
 */
import { UserError } from '../../errors.ts';
import type { FreshNoise } from '../fresh-noise.ts';
import type { NoisePath, StopOptions } from '../noise-path.ts';
import type { Sampler } from '../sampler.ts';
import { flowValue } from '../scheduler-keys.ts';
import { stepChain } from '../step-chain.ts';
import { renoisingChain } from './lcm.ts';

export interface EulerOptions extends Pick<StopOptions, 'spacing' | 'finalNoise' | 'sigmas'> {
  /** Needed where the scheduler's file of a rectified flow has `stochastic_sampling` true. */
  freshNoise?: FreshNoise;
}

export interface EulerAncestralOptions extends Pick<StopOptions, 'spacing'> {
  /** Needed where there is more than one step. */
  freshNoise?: FreshNoise;
}

/**
 * Euler's sampler. One network call per step; it has a gradient (`checkpointed`), but no inverse.
 *
 * With `stochastic_sampling` in the scheduler's file of a rectified flow, each step goes to the clean latent and back with fresh noise.
 *
 * @throws UserError without `freshNoise` where that is needed
 */
export function euler(
  path: NoisePath,
  steps: number,
  { freshNoise, ...options }: EulerOptions = {},
): Sampler {
  const stops = path.stops(steps, { ...options, rule: 'euler' });
  return renoises(path)
    ? renoisingChain('euler', path, stops, { freshNoise })
    : stepChain('euler', path, stops);
}

/** Whether the scheduler's file asks for fresh noise in each step of Euler's sampler. */
export const renoises = ({ kind, config }: NoisePath): boolean =>
  kind === 'rectified-flow' && flowValue(config, 'stochastic_sampling') === true;

/**
 * Euler's ancestral sampler: each step but the last goes to less noise than the next level has, and fresh noise makes up for
 * it.
 *
 * @throws UserError without `freshNoise`, unless there is one step only.
 */
export function eulerAncestral(
  path: NoisePath,
  steps: number,
  { spacing, freshNoise }: EulerAncestralOptions = {},
): Sampler {
  if (steps > 1 && !freshNoise) {
    throw new UserError('eulerAncestral: more than one step needs freshNoise, a source of noise');
  }
  const stops = path.stops(steps, { spacing, rule: 'euler-ancestral' });
  return stepChain('euler-ancestral', path, stops, { eta: 1, freshNoise });
}
