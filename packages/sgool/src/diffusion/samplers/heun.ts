/**
 * @file Heun's method: an Euler step to the next noise level, and the same step again with the mean of the slopes at both ends.
 *
 * On a variance-preserving path y = z / signal, the time is σ = noise / signal, and the slope f is the noise ε; on a rectified flow y is
 * z, the time is s, and the slope the velocity:
 *
 *     ŷ = y + (t' - t)·f(y)        y' = y + (t' - t)·(f(y) + f(ŷ)) / 2
 *
 * The last step, to no noise, is Euler's.
 *
 * Reference: Karras et al. 2022, algorithm 1 (no churn); details as in diffusers' HeunDiscreteScheduler and
 * FlowMatchHeunDiscreteScheduler.
 */
import { linearStage } from '../linear-stage.ts';
import type { NoisePath, StopOptions } from '../noise-path.ts';
import type { Sampler } from '../sampler.ts';
import { createSampler, mixesAt, singleLatent } from '../sampler.ts';
import { odePoints, scaledStart } from './sigma-points.ts';

export type HeunOptions = Pick<StopOptions, 'spacing' | 'sigmas'>;

/** Heun's sampler. Two network calls per step, but one in the last; it has a gradient (`checkpointed`), but no inverse. */
export function heun(path: NoisePath, steps: number, options: HeunOptions = {}): Sampler {
  const stops = path.stops(steps, { ...options, rule: 'heun' });
  const { timesteps } = stops;
  const at = odePoints(path, stops);
  const stages = timesteps.flatMap((timestep, step) => {
    const [now, next] = [at[step], at[step + 1]];
    const scale = next.scale / now.scale;
    const { slope } = now;
    const move = next.scale * (next.time - now.time);
    const euler = { latent: scale + move * slope.latent, prediction: move * slope.prediction };
    if (step === steps - 1) {
      return [linearStage({ step, timestep, state: ['latent'], next: { latent: euler } })];
    }
    const there = next.slope;
    return [
      linearStage({
        step,
        timestep,
        state: ['latent'],
        next: { latent: euler, start: { latent: 1 }, slope: { ...slope } },
      }),
      linearStage({
        step,
        timestep: timesteps[step + 1],
        state: ['latent', 'start', 'slope'],
        next: {
          latent: {
            start: scale,
            slope: move / 2,
            latent: (move / 2) * there.latent,
            prediction: (move / 2) * there.prediction,
          },
        },
      }),
    ];
  });
  return createSampler({
    name: 'heun',
    timesteps,
    mixAt: mixesAt(path, stops),
    stages: [...scaledStart(stops), ...stages],
    ...singleLatent('heun'),
  });
}
