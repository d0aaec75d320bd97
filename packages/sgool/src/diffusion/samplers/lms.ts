/**
 * @file The linear multistep sampler of k-diffusion: the slopes of the last steps, as a polynomial in time, are integrated over the
 * step.
 *
 * On a variance-preserving path y = z / signal, the time is σ = noise / signal, and the slope f is the noise ε; on a rectified flow y is
 * z, the time is s, and the slope the velocity. With f_k the slope k steps ago:
 *
 *     y' = y + Σ c_k·f_k,      c_k = ∫ Π_{j≠k} (τ - t_j) / (t_k - t_j) dτ   from t to t'
 *
 * Reference: Crowson's k-diffusion, `sample_lms`; details as in diffusers' LMSDiscreteScheduler.
 */
import { linearStage } from '../linear-stage.ts';
import type { NoisePath, StopOptions } from '../noise-path.ts';
import type { Sampler } from '../sampler.ts';
import { createSampler, mixesAt, singleLatent } from '../sampler.ts';
import { odePoints, scaledStart } from './sigma-points.ts';

export interface LmsOptions extends Pick<StopOptions, 'spacing' | 'sigmas'> {
  /** Step that the chain begins with: what it remembers of steps before it is nothing. Default 0. */
  readonly firstStep?: number;
}

/** Names of the slopes that are kept, newest first; with the newest one they make order 4. */
const HISTORY = ['before', 'before2', 'before3'] as const;

/** The LMS sampler, of order 4. One network call per step; it has a gradient (`checkpointed`), but no inverse. */
export function lms(path: NoisePath, steps: number, { firstStep = 0, ...options }: LmsOptions = {}): Sampler {
  const stops = path.stops(steps, { ...options, rule: 'lms' });
  const { timesteps } = stops;
  const at = odePoints(path, stops);
  const stages = timesteps.slice(firstStep).map((timestep, i) => {
    const step = firstStep + i;
    const [now, next] = [at[step], at[step + 1]];
    const known = HISTORY.slice(0, Math.min(i, HISTORY.length));
    const times = Array.from({ length: known.length + 1 }, (_, k) => at[step - k].time);
    const [newest, ...older] = times.map((_, k) => next.scale * slopeWeight(times, k, next.time));
    const { slope } = now;
    const kept = known.slice(0, HISTORY.length - 1);
    return linearStage({
      step,
      timestep,
      state: ['latent', ...known],
      next: {
        latent: {
          latent: next.scale / now.scale + newest * slope.latent,
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
function slopeWeight(times: readonly number[], k: number, end: number): number {
  const [start] = times;
  const basis = (tau: number) =>
    times.reduce((product, time, j) => (j === k ? product : (product * (tau - time)) / (times[k] - time)), 1);
  return ((end - start) / 6) * (basis(start) + 4 * basis((start + end) / 2) + basis(end));
}
