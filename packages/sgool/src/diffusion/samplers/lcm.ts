/**
 * @file The sampler of latent consistency models: each step jumps to the clean latent, and all but the last add fresh noise
 * again.
 *
 *     D = c_out·x0 + c_skip·z        z' = signal'·D + noise'·fresh noise
 *
 * with x0 the clean latent that the prediction implies. `c_skip` and `c_out` make D equal z at timestep 0; from a few timesteps
 * up they are 0 and 1.
 *
 * Reference: Luo et al. 2023, "Latent Consistency Models", algorithm 3 and appendix; details as in diffusers' LCMScheduler.
 */
import { UserError } from '../../errors.ts';
import type { FreshNoise } from '../fresh-noise.ts';
import { scaledNoise } from '../fresh-noise.ts';
import { linearStage } from '../linear-stage.ts';
import type { NoisePath } from '../noise-path.ts';
import type { Sampler } from '../sampler.ts';
import { createSampler, mixesAt, singleLatent } from '../sampler.ts';

/** Standard deviation of clean latents that the boundary condition assumes. */
const SIGMA_DATA = 0.5;

export interface LcmOptions {
  /** Needed where there is more than one step. */
  freshNoise?: FreshNoise;
}

/**
 * The LCM sampler. One network call per step; it has a gradient (`checkpointed`), but no inverse.
 *
 * Reads `original_inference_steps` (50) and `timestep_scaling` (10) from the scheduler's file.
 *
 * @throws UserError for more steps than the model was distilled for, or more than one without `freshNoise`.
 */
export function lcm(path: NoisePath, steps: number, { freshNoise }: LcmOptions = {}): Sampler {
  if (steps > 1 && !freshNoise) {
    throw new UserError('lcm: more than one step needs freshNoise, a source of noise');
  }
  const scaling = timestepScaling(path);
  const stops = path.stops(steps, { rule: 'lcm' });
  const { timesteps, levels } = stops;
  const stages = timesteps.map((timestep, step) => {
    const scaled = timestep * scaling;
    const skip = SIGMA_DATA ** 2 / (scaled ** 2 + SIGMA_DATA ** 2);
    const out = scaled / Math.sqrt(scaled ** 2 + SIGMA_DATA ** 2);
    const clean = path.cleanLatent(levels[step]);
    const signal = path.signal(levels[step + 1]);
    return linearStage({
      step,
      timestep,
      state: ['latent'],
      next: {
        latent: {
          latent: signal * (out * clean.latent + skip),
          prediction: signal * out * clean.prediction,
        },
      },
      shift: scaledNoise(freshNoise, step, path.noise(levels[step + 1])),
    });
  });
  return createSampler({
    name: 'lcm',
    timesteps,
    stages,
    mixAt: mixesAt(path, stops),
    ...singleLatent('lcm'),
  });
}

function timestepScaling({ config }: NoisePath): number {
  const value = config.timestep_scaling ?? 10;
  if (typeof value === 'number' && value > 0) return value;
  throw new UserError(
    `lcm: timestep_scaling of the scheduler is not usable, got ${JSON.stringify(value)}; it must be a number above 0`,
  );
}
