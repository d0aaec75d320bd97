/**
 * @file The linear multistep sampler of k-diffusion: the slopes of the last steps, as a polynomial in σ, are integrated over the
 * step.
 *
 * For `x = z / signal` and σ = noise / signal, with ε_k the noise predicted k steps ago:
 *
 *     x' = x + Σ c_k·ε_k,      c_k = ∫ Π_{j≠k} (τ - σ_j) / (σ_k - σ_j) dτ   from σ to σ'
 *
 * Reference: Crowson's k-diffusion, `sample_lms`; details as in diffusers' LMSDiscreteScheduler.
 */
import { linearStage } from '../linear-stage.ts';
import type { NoisePath, StopOptions } from '../noise-path.ts';
import type { Sampler } from '../sampler.ts';
import { createSampler, mixesAt, singleLatent } from '../sampler.ts';
import { scaledStart, sigmaPoints } from './sigma-points.ts';

export interface LmsOptions extends Pick<StopOptions, 'spacing' | 'sigmas'> {
  /** Step that the chain begins with: what it remembers of steps before it is nothing. Default 0. */
  readonly firstStep?: number;
}

/** Names of the slopes that are kept, newest first; with the newest one they make order 4. */
const HISTORY = ['before', 'before2', 'before3'] as const;

/** The LMS sampler, of order 4. One network call per step; it has a gradient (`checkpointed`), but no inverse. */
export function lms(path: NoisePath, steps: number, { firstStep = 0, ...options }: LmsOptions = {}): Sampler {
  const stops = path.stops(steps, { ...options, rule: 'lms' });
  const { timesteps, levels } = stops;
  const at = sigmaPoints(path, stops);
  const stages = timesteps.slice(firstStep).map((timestep, i) => {
    const step = firstStep + i;
    const [now, next] = [at[step], at[step + 1]];
    const known = HISTORY.slice(0, Math.min(i, HISTORY.length));
    const sigmas = Array.from({ length: known.length + 1 }, (_, k) => at[step - k].sigma);
    const [newest, ...older] = sigmas.map((_, k) => next.signal * slopeWeight(sigmas, k, next.sigma));
    const slope = path.noisePart(levels[step]);
    const kept = known.slice(0, HISTORY.length - 1);
    return linearStage({
      step,
      timestep,
      state: ['latent', ...known],
      next: {
        latent: {
          latent: next.signal / now.signal + newest * slope.latent,
          prediction: newest * slope.prediction,
          ...Object.fromEntries(known.map((name, i) => [name, older[i]])),
        },
        [HISTORY[0]]: { ...slope },
        ...Object.fromEntries(kept.map((name, i) => [HISTORY[i + 1], { [name]: 1 }])),
      },
    });
  });
  return createSampler({
    name: 'lms',
    timesteps,
    mixAt: mixesAt(path, stops),
    stages: [...(firstStep === 0 ? scaledStart(stops) : []), ...stages],
    ...singleLatent('lms', Math.min(steps - firstStep, HISTORY.length)),
  });
}

/** c_k: the integral of a Lagrange polynomial of degree 3 at most, for which Simpson's rule is exact. */
function slopeWeight(sigmas: readonly number[], k: number, end: number): number {
  const [start] = sigmas;
  const basis = (tau: number) =>
    sigmas.reduce(
      (product, sigma, j) => (j === k ? product : (product * (tau - sigma)) / (sigmas[k] - sigma)),
      1,
    );
  return ((end - start) / 6) * (basis(start) + 4 * basis((start + end) / 2) + basis(end));
}
