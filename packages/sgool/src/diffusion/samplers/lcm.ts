/**
 * @file The sampler of latent consistency models: each step jumps to the clean latent, and all but the last go back up with
 * fresh noise.
 *
 *     D = c_out·(z - √(1-ᾱ)·ε)/√ᾱ + c_skip·z        z' = √ᾱ'·D + √(1-ᾱ')·fresh noise
 *
 * `c_skip` and `c_out` make D equal z at timestep 0; from a few timesteps up they are 0 and 1.
 *
 * Reference: Luo et al. 2023, "Latent Consistency Models", algorithm 3 and appendix; details as in diffusers' LCMScheduler.
 */
import { UserError } from '../../errors.ts';
import type { FreshNoise } from '../fresh-noise.ts';
import { scaledNoise } from '../fresh-noise.ts';
import { linearStage } from '../linear-stage.ts';
import type { Sampler } from '../sampler.ts';
import { createSampler, singleLatent } from '../sampler.ts';
import type { Schedule } from '../schedule.ts';

/** Standard deviation of clean latents that the boundary condition assumes. */
const SIGMA_DATA = 0.5;

export interface LcmOptions {
  /** Needed where there is more than one step. */
  freshNoise?: FreshNoise;
}

/**
 * The LCM sampler. One network call per step; it has a gradient (`checkpointed`), but no inverse.
 *
 * Reads `original_inference_steps` (50) and `timestep_scaling` (10) from the schedule's file.
 *
 * @throws UserError for more steps than the model was distilled for, or more than one without `freshNoise`.
 */
export function lcm(schedule: Schedule, steps: number, { freshNoise }: LcmOptions = {}): Sampler {
  if (steps > 1 && !freshNoise) {
    throw new UserError('lcm: more than one step needs freshNoise, a source of noise');
  }
  const scaling = numberFrom(schedule, 'timestep_scaling', 10);
  const timesteps = lcmTimesteps(schedule, steps);
  const stages = timesteps.map((timestep, step) => {
    const alpha = schedule.alphaCumprod(timestep);
    const scaled = timestep * scaling;
    const skip = SIGMA_DATA ** 2 / (scaled ** 2 + SIGMA_DATA ** 2);
    const out = scaled / Math.sqrt(scaled ** 2 + SIGMA_DATA ** 2);
    const isLast = step === steps - 1;
    const next = isLast ? 1 : schedule.alphaCumprod(timesteps[step + 1]);
    const signal = Math.sqrt(next);
    return linearStage({
      step,
      timestep,
      rows: [
        [signal * (out / Math.sqrt(alpha) + skip), (-signal * out * Math.sqrt(1 - alpha)) / Math.sqrt(alpha)],
      ],
      shift: scaledNoise(freshNoise, step, Math.sqrt(1 - next)),
    });
  });
  return createSampler({ name: 'lcm', timesteps, stages, ...singleLatent('lcm') });
}

/** Evenly from the timesteps that the model was distilled on: every 20th, from 999 down, for 50 of them. */
function lcmTimesteps(schedule: Schedule, steps: number): number[] {
  const original = numberFrom(schedule, 'original_inference_steps', 50);
  if (!Number.isInteger(steps) || steps < 1 || steps > original) {
    throw new UserError(`lcm: steps must be a whole number from 1 to ${original}, got ${steps}`);
  }
  const stride = Math.floor(schedule.trainTimesteps / original);
  return Array.from(
    { length: steps },
    (_, i) => (original - Math.floor((i * original) / steps)) * stride - 1,
  );
}

function numberFrom({ config, trainTimesteps }: Schedule, key: string, fallback: number): number {
  const value = config[key] ?? fallback;
  if (typeof value === 'number' && value > 0 && value <= trainTimesteps) return value;
  throw new UserError(
    `lcm: ${key} of the scheduler is not usable, got ${JSON.stringify(value)}; it must be a number above 0, up to ${trainTimesteps}`,
  );
}
