/**
 * @file The explicit midpoint method, which RF-Solver made popular for rectified flows: half an Euler step, and the whole step with the
 * slope that the network gives there.
 *
 * On a rectified flow y is the latent z, the time is s, and the slope f the velocity; on a variance-preserving path y = z / signal, the
 * time is σ = noise / signal, and the slope the noise ε:
 *
 *     ŷ = y + (t' - t)/2·f(y)        y' = y + (t' - t)·f(ŷ)
 *
 * Reference: Wang et al. 2024, "Taming Rectified Flow for Inversion and Editing" (RF-Solver), equation 9, whose second derivative is
 * the difference of these two slopes.
 */
import { linearStage } from '../linear-stage.ts';
import { type NoisePath, type StopOptions, timestepAt } from '../noise-path.ts';
import type { Sampler } from '../sampler.ts';
import { createSampler, mixesAt, singleLatent } from '../sampler.ts';
import { odePoint, odePoints, scaledStart } from './sigma-points.ts';

export type MidpointOptions = Pick<StopOptions, 'spacing' | 'sigmas'>;

/** The midpoint sampler. Two network calls per step; it has a gradient (`checkpointed`), but no inverse. */
export function midpoint(path: NoisePath, steps: number, options: MidpointOptions = {}): Sampler {
  const stops = path.stops(steps, { ...options, rule: 'heun' });
  const { timesteps } = stops;
  const at = odePoints(path, stops);
  const stages = timesteps.flatMap((timestep, step) => {
    const [now, next] = [at[step], at[step + 1]];
    const whole = next.time - now.time;
    const level = path.ode.level(now.time + whole / 2);
    const middle = odePoint(path.ode, level);
    const [half, move] = [(middle.scale * whole) / 2, next.scale * whole];
    return [
      linearStage({
        step,
        timestep,
        state: ['latent'],
        next: {
          latent: {
            latent: middle.scale / now.scale + half * now.slope.latent,
            prediction: half * now.slope.prediction,
          },
          start: { latent: 1 },
        },
      }),
      linearStage({
        step,
        timestep: timestepAt(path, level),
        state: ['latent', 'start'],
        next: {
          latent: {
            start: next.scale / now.scale,
            latent: move * middle.slope.latent,
            prediction: move * middle.slope.prediction,
          },
        },
      }),
    ];
  });
  return createSampler({
    name: 'midpoint',
    timesteps,
    mixAt: mixesAt(path, stops),
    stages: [...scaledStart(stops), ...stages],
    ...singleLatent('midpoint'),
  });
}
