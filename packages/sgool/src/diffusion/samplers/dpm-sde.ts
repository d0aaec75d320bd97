/**
 * @file DPM-Solver++ for the stochastic differential equation, of two calls per step: to the middle of the step in log σ, and
 * from the beginning over the whole step with what the network says there.
 *
 * Both are ancestral: they go to less noise than the point has, σ_down, and fresh noise σ_up makes up for it. For
 * `x = z / signal`, with x0 the clean latent:
 *
 *     x' = (σ_down/σ)·x + (1 - σ_down/σ)·x0 + σ_up·n
 *
 * n are increments of one Brownian motion over σ, so that the noise to the middle is part of that over the whole step.
 *
 * Reference: Crowson's k-diffusion, `sample_dpmpp_sde`; details as in diffusers' DPMSolverSDEScheduler, whose noise comes from a
 * tree of another library, and here from the stream of the seed.
 */
import { UserError } from '../../errors.ts';
import type { FreshNoise } from '../fresh-noise.ts';
import { linearStage } from '../linear-stage.ts';
import type { NoisePath, StopOptions } from '../noise-path.ts';
import type { Sampler } from '../sampler.ts';
import { createSampler, mixesAt, singleLatent } from '../sampler.ts';
import { scaledStart, sigmaPoints } from './sigma-points.ts';

export interface DpmSdeOptions extends Pick<StopOptions, 'spacing' | 'sigmas'> {
  /** Two draws for each step: number 2·step for the first part of it, 2·step + 1 for the rest. */
  readonly freshNoise?: FreshNoise;
}

/**
 * The sampler DPM++ SDE. Two network calls per step, but one in the last; it has a gradient (`checkpointed`), but no inverse.
 *
 * @throws UserError without `freshNoise`, unless there is one step only
 */
export function dpmSde(path: NoisePath, steps: number, options: DpmSdeOptions = {}): Sampler {
  const { freshNoise } = options;
  if (steps > 1 && !freshNoise) {
    throw new UserError('dpm-sde: more than one step needs freshNoise, a source of noise');
  }
  const stops = path.stops(steps, { ...options, rule: 'dpm-sde' });
  const { timesteps, levels } = stops;
  const at = sigmaPoints(path, stops);
  const stages = timesteps.flatMap((timestep, step) => {
    const [now, next] = [at[step], at[step + 1]];
    const clean = path.cleanLatent(levels[step]);
    if (next.sigma === 0) {
      // To no noise there is one step: to the clean latent.
      return [
        linearStage({
          step,
          timestep,
          state: ['latent'],
          next: {
            latent: { latent: next.signal * clean.latent, prediction: next.signal * clean.prediction },
          },
        }),
      ];
    }
    const middle = Math.sqrt(now.sigma * next.sigma);
    const middleLevel = path.levelOfRatio(middle);
    const middleSignal = path.signal(middleLevel);
    const there = path.cleanLatent(middleLevel);
    const [half, whole] = [ancestral(now.sigma, middle), ancestral(now.sigma, next.sigma)];
    const part = (now.sigma - middle) / (now.sigma - next.sigma);
    const draw = (which: number, length: number) => (freshNoise as FreshNoise)(2 * step + which, length);
    const toMiddle = middleSignal * (1 - half.kept);
    const over = next.signal * (1 - whole.kept);
    return [
      linearStage({
        step,
        timestep,
        state: ['latent'],
        next: {
          latent: {
            latent: (middleSignal * half.kept) / now.signal + toMiddle * clean.latent,
            prediction: toMiddle * clean.prediction,
          },
          start: { latent: 1 },
        },
        shift: (length) => draw(0, length).map((value) => middleSignal * half.up * value),
      }),
      linearStage({
        step,
        timestep: path.timestepOfRatio(middle),
        state: ['latent', 'start'],
        next: {
          latent: {
            start: (next.signal * whole.kept) / now.signal,
            latent: over * there.latent,
            prediction: over * there.prediction,
          },
        },
        shift(length) {
          const [first, rest] = [draw(0, length), draw(1, length)];
          const factor = next.signal * whole.up;
          return first.map((value, i) => factor * (Math.sqrt(part) * value + Math.sqrt(1 - part) * rest[i]));
        },
      }),
    ];
  });
  return createSampler({
    name: 'dpm-sde',
    timesteps,
    mixAt: mixesAt(path, stops),
    stages: [...scaledStart(stops), ...stages],
    ...singleLatent('dpm-sde'),
  });
}

/** σ_down / σ and σ_up of a step from one σ to another. */
function ancestral(from: number, to: number): { kept: number; up: number } {
  const up = Math.min(to, Math.sqrt((to ** 2 * (from ** 2 - to ** 2)) / from ** 2));
  return { kept: Math.sqrt(to ** 2 - up ** 2) / from, up };
}
