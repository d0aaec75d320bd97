/**
 * @file Euler's method, plain and ancestral: the samplers of SD-Turbo and its kin.
 *
 * The literature writes it for latents that grow with the noise, `x = z·√(σ²+1)` with `σ = √((1-ᾱ)/ᾱ)`:
 *
 *     x' = x + (σ_down - σ)·ε + σ_up·fresh noise
 *
 * with `σ_down = σ'` and `σ_up = 0` for the plain one. The state here is z, the latent as the network sees it; in it the plain
 * sampler is DDIM with timesteps and ends of its own.
 *
 * Reference: Karras et al. 2022, algorithm 1 (no churn); Crowson's k-diffusion for the ancestral split of σ'; details as in
 * diffusers' EulerDiscreteScheduler and EulerAncestralDiscreteScheduler.
 */
import { UserError } from '../../errors.ts';
import type { FreshNoise } from '../fresh-noise.ts';
import { scaledNoise } from '../fresh-noise.ts';
import { linearStage } from '../linear-stage.ts';
import type { Sampler } from '../sampler.ts';
import { createSampler, singleLatent } from '../sampler.ts';
import type { Schedule, TimestepSpacing } from '../schedule.ts';
import { finalNoiseOf, karrasRatios, noiseRatio, timestepOfRatio } from './karras.ts';

export interface EulerOptions {
  /** How timesteps are spread. Default: what the schedule's file says, else `linspace`. */
  spacing?: TimestepSpacing;
  /** Whether the last step ends at no noise (`zero`) or at that of timestep 0 (`smallest`). Default: what the file says, else `zero`. */
  finalNoise?: 'zero' | 'smallest';
}

export interface EulerAncestralOptions {
  /** As in {@link EulerOptions}. */
  spacing?: TimestepSpacing;
  /** Needed where there is more than one step. */
  freshNoise?: FreshNoise;
}

/** Euler's sampler. One network call per step; it has a gradient (`checkpointed`), but no inverse. */
export function euler(schedule: Schedule, steps: number, options: EulerOptions = {}): Sampler {
  const { spacing, finalNoise = finalNoiseOf(schedule) } = options;
  const end = finalNoise === 'zero' ? 0 : noiseRatio(schedule, 0);
  const karras = schedule.config.use_karras_sigmas === true;
  return eulerChain('euler', schedule, steps, {
    spacing,
    karras,
    end,
    split: (_, to) => ({ down: to, up: 0 }),
  });
}

/**
 * Euler's ancestral sampler: each step but the last goes further down than it should and comes back up with fresh noise.
 *
 * @throws UserError without `freshNoise`, unless there is one step only.
 */
export function eulerAncestral(
  schedule: Schedule,
  steps: number,
  { spacing, freshNoise }: EulerAncestralOptions = {},
): Sampler {
  if (steps > 1 && !freshNoise) {
    throw new UserError('eulerAncestral: more than one step needs freshNoise, a source of noise');
  }
  const split = (from: number, to: number) => {
    const up = Math.sqrt((to ** 2 * (from ** 2 - to ** 2)) / from ** 2);
    return { down: Math.sqrt(to ** 2 - up ** 2), up };
  };
  return eulerChain('euler-ancestral', schedule, steps, { spacing, end: 0, split, freshNoise });
}

interface Chain {
  readonly spacing?: TimestepSpacing;
  /** Levels by Karras' rule between the first and the last that the spacing gives. */
  readonly karras?: boolean;
  /** σ at the end of the last step. */
  readonly end: number;
  /** σ' as what the step goes down to and what fresh noise adds. */
  readonly split: (from: number, to: number) => { down: number; up: number };
  readonly freshNoise?: FreshNoise;
}

function eulerChain(
  name: string,
  schedule: Schedule,
  steps: number,
  { spacing = schedule.timestepSpacing ?? 'linspace', karras = false, end, split, freshNoise }: Chain,
): Sampler {
  const spread = eulerTimesteps(schedule, steps, spacing);
  const ratios = spread.map((timestep) => noiseRatio(schedule, timestep));
  const visited = karras ? karrasRatios(steps, ratios[0], ratios[steps - 1]) : ratios;
  const timesteps = karras ? visited.map((ratio) => timestepOfRatio(schedule, ratio)) : spread;
  const levels = [...visited, end];
  // x over z; what comes out at the end is x.
  const lengths = levels.map((sigma, i) => (i === steps ? 1 : Math.sqrt(sigma * sigma + 1)));

  const stages = timesteps.map((timestep, step) => {
    const now = levels[step];
    const { down, up } = split(now, levels[step + 1]);
    const length = lengths[step + 1];
    return linearStage({
      step,
      timestep,
      rows: [[lengths[step] / length, (down - now) / length]],
      shift: scaledNoise(freshNoise, step, up / length),
    });
  });

  // With leading timesteps diffusers starts at z = noise; with the others at x = σ·noise, a little shorter.
  if (spacing !== 'leading') {
    const start = levels[0] / lengths[0];
    stages.unshift(linearStage({ step: 0, timestep: timesteps[0], rows: [[start, 0]] }));
  }
  return createSampler({ name, timesteps, stages, ...singleLatent(name) });
}

/** Unlike DDIM's, linspace timesteps are not whole numbers; a single one is the noisiest, which diffusers makes timestep 0. */
function eulerTimesteps(schedule: Schedule, steps: number, spacing: TimestepSpacing): number[] {
  const whole = schedule.timesteps(steps, spacing);
  if (spacing !== 'linspace') return whole;
  const last = schedule.trainTimesteps - 1;
  if (steps === 1) return [last];
  return Array.from({ length: steps }, (_, i) => Math.fround(((steps - 1 - i) * last) / (steps - 1)));
}
