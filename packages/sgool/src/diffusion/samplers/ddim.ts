/**
 * @file DDIM: the deterministic sampler that everything else here builds on. On a rectified flow it is Euler's method.
 *
 * Reference: Song et al. 2021, "Denoising Diffusion Implicit Models", equations 12 and 16.
 */
import { UserError } from '../../errors.ts';
import type { Denoiser } from '../denoiser.ts';
import { checkedPrediction } from '../denoiser.ts';
import type { FreshNoise } from '../fresh-noise.ts';
import { endOf, type NoisePath, type StopOptions } from '../noise-path.ts';
import type { Sampler } from '../sampler.ts';
import { stepChain } from '../step-chain.ts';

/** Options of the DDIM sampler. */
export interface DdimOptions extends Pick<StopOptions, 'stepEnds'> {
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
export function ddim(
  path: NoisePath,
  steps: number,
  { eta = 0, freshNoise, stepEnds }: DdimOptions = {},
): Sampler {
  if (!(eta >= 0 && eta <= 1)) throw new UserError(`ddim: eta must be between 0 and 1, got ${eta}`);
  if (eta > 0 && !freshNoise) throw new UserError(`ddim: eta ${eta} needs freshNoise, a source of noise`);
  return stepChain('ddim', path, path.stops(steps, { stepEnds }), { eta, freshNoise });
}

export interface DdimInvertOptions {
  /**
   * Fixed-point sweeps per step. With 0 the network is evaluated at the cleaner latent, the usual approximation; each sweep
   * evaluates it again at the estimate so far, which converges where the step is a contraction. Default 0.
   */
  sweeps?: number;
  signal?: AbortSignal;
}

/**
 * From a clean latent to the noise that DDIM would make it from: **approximately**.
 *
 * A step `z' = A·z + B·p(z, t)`, p the prediction, is solved for z with p taken at z' instead of z. The error falls with the
 * number of steps and grows with the guidance scale; EDICT's inverse is the exact one.
 *
 * Reference: Dhariwal and Nichol 2021, appendix F; Mokady et al. 2022, section 3.2.
 *
 * @returns the noise at the beginning of the chain.
 */
export async function ddimInvert(
  path: NoisePath,
  steps: number,
  latent: Float64Array,
  denoiser: Denoiser,
  { sweeps = 0, signal }: DdimInvertOptions = {},
): Promise<Float64Array> {
  const stops = path.stops(steps);
  const { timesteps, levels } = stops;
  let current = latent;
  for (let step = steps - 1; step >= 0; step--) {
    const { latent: scale, prediction: weight } = path.step(levels[step], endOf(stops, step));
    const target = current;
    for (let sweep = 0; sweep <= sweeps; sweep++) {
      signal?.throwIfAborted();
      const prediction = await checkedPrediction(denoiser, current, timesteps[step]);
      current = target.map((value, i) => (value - weight * prediction[i]) / scale);
    }
  }
  return current;
}
