/**
 * @file The sampler of trajectory consistency models: each step goes deterministically to a timestep s below the next one, and
 * fresh noise takes it back up to it.
 *
 *     z_s = signal_s·x0 + noise_s·ε        z' = (signal'/signal_s)·z_s + √(1 - (signal'/signal_s)²)·fresh noise
 *
 * with s = ⌊(1 - eta)·next timestep⌋; eta is the paper's γ. With eta 0 nothing is drawn.
 *
 * Reference: Zheng et al. 2024, "Trajectory Consistency Distillation", algorithm 4; details as in diffusers' TCDScheduler.
 */
import { UserError } from '../../errors.ts';
import type { FreshNoise } from '../fresh-noise.ts';
import { scaledNoise } from '../fresh-noise.ts';
import { linearStage } from '../linear-stage.ts';
import type { NoisePath } from '../noise-path.ts';
import type { Sampler } from '../sampler.ts';
import { createSampler, mixesAt, singleLatent } from '../sampler.ts';

export interface TcdOptions {
  /** 0 (deterministic) to 1 (all noise afresh). Default 0, as diffusers' pipeline passes it. */
  readonly eta?: number;
  /** Needed when eta is above 0 and there is more than one step. */
  readonly freshNoise?: FreshNoise;
}

/**
 * The TCD sampler. One network call per step; it has a gradient (`checkpointed`), but no inverse.
 *
 * Reads `original_inference_steps` (50) from the scheduler's file.
 *
 * @throws UserError for more steps than the model was distilled for, or where noise is needed and not given
 */
export function tcd(path: NoisePath, steps: number, { eta = 0, freshNoise }: TcdOptions = {}): Sampler {
  if (!(eta >= 0 && eta <= 1)) throw new UserError(`tcd: eta must be between 0 and 1, got ${eta}`);
  if (eta > 0 && steps > 1 && !freshNoise) {
    throw new UserError(`tcd: eta ${eta} needs freshNoise, a source of noise`);
  }
  const stops = path.stops(steps, { rule: 'lcm' });
  const { timesteps, levels } = stops;
  const stages = timesteps.map((timestep, step) => {
    const isLast = step === timesteps.length - 1;
    const next = isLast ? 0 : timesteps[step + 1];
    const below = path.level(Math.floor((1 - eta) * next));
    const { latent, prediction } = path.step(levels[step], below);
    const kept = isLast || eta === 0 ? 1 : path.signal(path.level(next)) / path.signal(below);
    return linearStage({
      step,
      timestep,
      state: ['latent'],
      next: { latent: { latent: kept * latent, prediction: kept * prediction } },
      shift: scaledNoise(freshNoise, step, Math.sqrt(1 - kept ** 2)),
    });
  });
  return createSampler({
    name: 'tcd',
    timesteps,
    stages,
    mixAt: mixesAt(path, stops),
    ...singleLatent('tcd'),
  });
}
