/**
 * @file DDIM: the deterministic sampler that everything else here builds on.
 *
 * Reference: Song et al. 2021, "Denoising Diffusion Implicit Models", equations 12 and 16.
 */
import { UserError } from '../../errors.ts';
import type { Denoiser } from '../denoiser.ts';
import { predictNoise } from '../denoiser.ts';
import type { FreshNoise } from '../fresh-noise.ts';
import { scaledNoise } from '../fresh-noise.ts';
import { linearStage } from '../linear-stage.ts';
import type { Sampler } from '../sampler.ts';
import { createSampler, singleLatent } from '../sampler.ts';
import type { Schedule, Transition } from '../schedule.ts';

/** A DDIM step is affine in latent and noise prediction: `next = latent·z + noise·ε (+ sigma·fresh noise)`. */
export interface DdimCoefficients {
  /** A = √(ᾱ'/ᾱ), never below 1. */
  readonly latent: number;
  /** B = √(1-ᾱ'-σ²) - A·√(1-ᾱ). */
  readonly noise: number;
  /** Standard deviation of the fresh noise; 0 for eta 0. */
  readonly sigma: number;
}

/** The coefficients of one step. `eta` 0 is DDIM proper, 1 is the ancestral sampler of DDPM. */
export function ddimCoefficients(
  schedule: Schedule,
  { timestep, previous }: Transition,
  eta = 0,
): DdimCoefficients {
  const from = schedule.alphaCumprod(timestep);
  const to = schedule.alphaCumprod(previous);
  const sigma = eta * Math.sqrt(((1 - to) / (1 - from)) * (1 - from / to));
  const latent = Math.sqrt(to / from);
  return { latent, noise: Math.sqrt(1 - to - sigma * sigma) - latent * Math.sqrt(1 - from), sigma };
}

export interface DdimOptions {
  /** 0 (deterministic) to 1 (as much fresh noise as DDPM). Default 0. */
  eta?: number;
  /** Needed when eta is above 0. */
  freshNoise?: FreshNoise;
}

/**
 * The DDIM sampler with `steps` steps. One network call per step; no exact inverse (see `ddimInvert`).
 *
 * @throws UserError if eta is out of range, or above 0 without `freshNoise`.
 */
export function ddim(schedule: Schedule, steps: number, { eta = 0, freshNoise }: DdimOptions = {}): Sampler {
  if (!(eta >= 0 && eta <= 1)) throw new UserError(`ddim: eta must be between 0 and 1, got ${eta}`);
  if (eta > 0 && !freshNoise) throw new UserError(`ddim: eta ${eta} needs freshNoise, a source of noise`);

  const transitions = schedule.transitions(steps);
  return createSampler({
    name: 'ddim',
    timesteps: transitions.map(({ timestep }) => timestep),
    stages: transitions.map((transition, step) => {
      const { latent, noise, sigma } = ddimCoefficients(schedule, transition, eta);
      return linearStage({
        step,
        timestep: transition.timestep,
        rows: [[latent, noise]],
        shift: scaledNoise(freshNoise, step, sigma),
      });
    }),
    ...singleLatent('ddim'),
  });
}

export interface DdimInvertOptions {
  /**
   * Fixed-point sweeps per step. With 0 the network is asked at the cleaner latent, the usual approximation; each sweep
   * asks again at the estimate so far, which converges where the step is a contraction. Default 0.
   */
  sweeps?: number;
  signal?: AbortSignal;
}

/**
 * From a clean latent back to the noise that DDIM would make it from: **approximately**.
 *
 * A step `z' = A·z + B·ε(z, t)` is solved for z with ε taken at z' instead of z. The error falls with the number of
 * steps and grows with the guidance scale; EDICT's `invert` is the exact one.
 *
 * Reference: Dhariwal and Nichol 2021, appendix F; Mokady et al. 2022, section 3.2.
 *
 * @returns the noise at the beginning of the chain.
 */
export async function ddimInvert(
  schedule: Schedule,
  steps: number,
  latent: Float64Array,
  denoiser: Denoiser,
  { sweeps = 0, signal }: DdimInvertOptions = {},
): Promise<Float64Array> {
  let current = latent;
  for (const transition of schedule.transitions(steps).reverse()) {
    const { latent: scale, noise } = ddimCoefficients(schedule, transition);
    const target = current;
    for (let sweep = 0; sweep <= sweeps; sweep++) {
      signal?.throwIfAborted();
      const prediction = await predictNoise(denoiser, current, transition.timestep);
      current = target.map((value, i) => (value - noise * prediction[i]) / scale);
    }
  }
  return current;
}
