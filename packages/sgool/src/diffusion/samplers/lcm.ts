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
import type { NoisePath, Stops } from '../noise-path.ts';
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
 * Reads `original_inference_steps` (50) and `timestep_scaling` (10) from the scheduler's file. On a rectified flow there is no
 * boundary condition, and it is the step that diffusers' FlowMatchLCMScheduler has.
 *
 * @throws UserError for more steps than the model was distilled for, or more than one without `freshNoise`.
 */
export function lcm(path: NoisePath, steps: number, { freshNoise }: LcmOptions = {}): Sampler {
  const boundary = path.kind === 'rectified-flow' ? NO_BOUNDARY : lcmBoundary(timestepScaling(path));
  return renoisingChain('lcm', path, path.stops(steps, { rule: 'lcm' }), { freshNoise, boundary });
}

/** Weights of the latent and of the clean latent in what a consistency model gives. */
type Boundary = (timestep: number) => { readonly skip: number; readonly out: number };

const NO_BOUNDARY: Boundary = () => ({ skip: 0, out: 1 });

const lcmBoundary =
  (scaling: number): Boundary =>
  (timestep) => {
    const scaled = timestep * scaling;
    return {
      skip: SIGMA_DATA ** 2 / (scaled ** 2 + SIGMA_DATA ** 2),
      out: scaled / Math.sqrt(scaled ** 2 + SIGMA_DATA ** 2),
    };
  };

/**
 * The chain whose every step goes to the clean latent, and back to the noise of the next level with fresh noise alone.
 *
 * @throws UserError for more than one step without `freshNoise`
 */
export function renoisingChain(
  name: string,
  path: NoisePath,
  stops: Stops,
  { freshNoise, boundary = NO_BOUNDARY }: LcmOptions & { boundary?: Boundary },
): Sampler {
  const { timesteps, levels } = stops;
  if (timesteps.length > 1 && !freshNoise) {
    throw new UserError(`${name}: more than one step needs freshNoise, a source of noise`);
  }
  const stages = timesteps.map((timestep, step) => {
    const { skip, out } = boundary(timestep);
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
  return createSampler({ name, timesteps, stages, mixAt: mixesAt(path, stops), ...singleLatent(name) });
}

function timestepScaling({ config }: NoisePath): number {
  const value = config.timestep_scaling ?? 10;
  if (typeof value === 'number' && value > 0) return value;
  throw new UserError(
    `lcm: timestep_scaling of the scheduler is not usable, got ${JSON.stringify(value)}; it must be a number above 0`,
  );
}
