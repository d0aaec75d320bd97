/**
 * @file Which timesteps a chain visits on a variance-preserving schedule, by the rules of diffusers' schedulers.
 *
 * Reference: Lin et al. 2023, "Common Diffusion Noise Schedules and Sample Steps are Flawed", table 2 (leading, trailing,
 * linspace); Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models", equation 5.
 */
import { UserError } from '../errors.ts';
import { roundHalfToEven } from '../numbers.ts';
import type { NoisePath, StopOptions, Stops, TimestepSpacing } from './noise-path.ts';

/** What the rules need of a schedule. */
export interface TrainedTimesteps {
  readonly config: NoisePath['config'];
  /** Number of timesteps that the network was trained on. */
  readonly count: number;
  /** What the file says, if anything. */
  readonly spacing: TimestepSpacing | undefined;
  readonly offset: number;
  /** σ = √((1-ᾱ)/ᾱ) of a timestep: noise over signal. */
  noiseRatio(timestep: number): number;
}

/** Timesteps, noisiest first, and the ends of all steps: each a timestep (below 0: the end of the chain) or a σ. */
export interface Spread extends Pick<Stops, 'timesteps'> {
  /** One more than timesteps. */
  readonly ends: readonly ({ readonly timestep: number } | { readonly ratio: number })[];
  /** Whether the chain starts with as much noise as the first stop has, instead of a standard deviation of 1. */
  readonly startsAtLevel?: boolean;
  /** Whether the result is the last latent at the scale of the clean latent: divided by the signal of the last stop. */
  readonly endsAtCleanScale?: boolean;
}

/** The timesteps of `steps` steps as DDIM's scheduler spreads them. @throws UserError for a number of steps that is out of range */
export function ddimTimesteps(trained: TrainedTimesteps, steps: number, spacing: TimestepSpacing): number[] {
  const { count, offset } = trained;
  checkSteps(trained, steps);
  const ascending = Array.from({ length: steps }, (_, i) => {
    if (spacing === 'leading') return i * Math.floor(count / steps) + offset;
    if (spacing === 'trailing') return roundHalfToEven(((i + 1) * count) / steps) - 1;
    return roundHalfToEven((i * (count - 1)) / Math.max(steps - 1, 1));
  });
  const noisiest = ascending[steps - 1];
  if (noisiest >= count) {
    throw new UserError(
      `schedule: ${steps} steps with steps_offset ${offset} reach timestep ${noisiest}, but the last one is ${count - 1}; use fewer steps`,
    );
  }
  return ascending.reverse();
}

/** Where noise has ended. */
const NO_NOISE = { ratio: 0 };

/** Stops at timesteps, and the end of the last step. */
const atTimesteps = (timesteps: readonly number[], end: Spread['ends'][number]) => ({
  timesteps,
  ends: [...timesteps.map((timestep) => ({ timestep })), end],
});

/** Spreads `steps` steps by a rule. @throws UserError for a number of steps that is out of range */
export function spreadTimesteps(
  trained: TrainedTimesteps,
  steps: number,
  { rule = 'ddim', spacing = trained.spacing, finalNoise }: StopOptions,
): Spread {
  const { config, noiseRatio } = trained;
  const ending = finalNoise ?? (config.final_sigmas_type === 'sigma_min' ? 'smallest' : 'zero');
  const end = ending === 'zero' ? NO_NOISE : { timestep: 0 };
  const usesKarras = config.use_karras_sigmas === true;

  switch (rule) {
    case 'ddim': {
      const timesteps = ddimTimesteps(trained, steps, spacing ?? 'leading');
      // The last step ends a stride below its beginning.
      return atTimesteps(timesteps, {
        timestep: timesteps[steps - 1] - Math.floor(trained.count / steps),
      });
    }
    case 'lcm':
      return atTimesteps(lcmTimesteps(trained, steps), NO_NOISE);
    case 'euler':
    case 'euler-ancestral': {
      const used = spacing ?? 'linspace';
      const timesteps = eulerTimesteps(trained, steps, used);
      // With leading timesteps diffusers starts at z = noise; with the others at x = σ·noise, a little shorter. It ends at x.
      const scales = { startsAtLevel: used !== 'leading', endsAtCleanScale: true };
      if (rule === 'euler-ancestral') return { ...atTimesteps(timesteps, NO_NOISE), ...scales };
      if (!usesKarras) return { ...atTimesteps(timesteps, end), ...scales };
      const ratios = karrasRatios(steps, noiseRatio(timesteps[0]), noiseRatio(timesteps[steps - 1]));
      return { ...atRatios(trained, ratios, end), ...scales };
    }
    case 'dpm-solver': {
      const timesteps = dpmTimesteps(trained, steps, spacing ?? 'linspace');
      if (!usesKarras) return atTimesteps(timesteps, end);
      const ratios = karrasRatios(steps, noiseRatio(trained.count - 1), noiseRatio(0));
      const spread = atRatios(trained, ratios, end);
      // The network gets whole timesteps, the nearest to Karras' levels; a velocity is turned into noise at the timestep.
      return { ...spread, timesteps: spread.timesteps.map((timestep) => Math.round(timestep)) };
    }
  }
}

/** Stops at given values of σ, and the end of the last step. */
function atRatios(trained: TrainedTimesteps, ratios: readonly number[], end: Spread['ends'][number]) {
  return {
    timesteps: ratios.map((ratio) => timestepOfRatio(trained, ratio)),
    ends: [...ratios.map((ratio) => ({ ratio })), end],
  };
}

function checkSteps({ count }: TrainedTimesteps, steps: number): void {
  if (!Number.isInteger(steps) || steps < 1 || steps > count) {
    throw new UserError(`schedule: steps must be a whole number from 1 to ${count}, got ${steps}`);
  }
}

/** Unlike DDIM's, linspace timesteps are not whole numbers; a single one is the noisiest, which diffusers makes timestep 0. */
function eulerTimesteps(trained: TrainedTimesteps, steps: number, spacing: TimestepSpacing): number[] {
  const whole = ddimTimesteps(trained, steps, spacing);
  if (spacing !== 'linspace') return whole;
  const last = trained.count - 1;
  if (steps === 1) return [last];
  return Array.from({ length: steps }, (_, i) => Math.fround(((steps - 1 - i) * last) / (steps - 1)));
}

/** Unlike DDIM's, leading and linspace timesteps are spread over one step more, whose last (timestep 0) is left out. */
function dpmTimesteps(trained: TrainedTimesteps, steps: number, spacing: TimestepSpacing): number[] {
  const { count, offset } = trained;
  ddimTimesteps(trained, steps, trained.spacing ?? 'leading'); // refuses a number of steps that is out of range
  const ascending = Array.from({ length: steps }, (_, i) => {
    if (spacing === 'leading') return (i + 1) * Math.floor(count / (steps + 1)) + offset;
    if (spacing === 'trailing') return roundHalfToEven(((i + 1) * count) / steps) - 1;
    return roundHalfToEven(((i + 1) * (count - 1)) / steps);
  });
  return ascending.reverse();
}

/**
 * Evenly from the timesteps that a latent consistency model was distilled on: every 20th, from 999 down, for 50 of them
 * (`original_inference_steps`).
 */
function lcmTimesteps({ config, count }: TrainedTimesteps, steps: number): number[] {
  const original = config.original_inference_steps ?? 50;
  if (typeof original !== 'number' || !(original > 0 && original <= count)) {
    throw new UserError(
      `lcm: original_inference_steps of the scheduler is not usable, got ${JSON.stringify(original)}; it must be a number above 0, up to ${count}`,
    );
  }
  if (!Number.isInteger(steps) || steps < 1 || steps > original) {
    throw new UserError(`lcm: steps must be a whole number from 1 to ${original}, got ${steps}`);
  }
  const stride = Math.floor(count / original);
  return Array.from(
    { length: steps },
    (_, i) => (original - Math.floor((i * original) / steps)) * stride - 1,
  );
}

/** Karras' ρ: most steps fall where there is little noise. */
const RHO = 7;

/** `steps` values of σ from `largest` down to `smallest`, evenly spaced in σ^(1/ρ). */
function karrasRatios(steps: number, largest: number, smallest: number): number[] {
  const [from, to] = [largest ** (1 / RHO), smallest ** (1 / RHO)];
  return Array.from({ length: steps }, (_, i) => (from + (i / Math.max(steps - 1, 1)) * (to - from)) ** RHO);
}

/** The timestep of a σ, with fractions: log σ is interpolated between timesteps. Clamped to the schedule's ends. */
function timestepOfRatio({ count, noiseRatio }: TrainedTimesteps, ratio: number): number {
  const last = count - 1;
  let below = 0;
  while (below < last - 1 && noiseRatio(below + 1) <= ratio) below++;
  const [low, high] = [below, below + 1].map((timestep) => Math.log(noiseRatio(timestep)));
  return below + Math.min(1, Math.max(0, (Math.log(ratio) - low) / (high - low)));
}
