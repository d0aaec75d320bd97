/**
 * @file Which timesteps a chain visits on a variance-preserving schedule, by the rules of diffusers' schedulers.
 *
 * Reference: Lin et al. 2023, "Common Diffusion Noise Schedules and Sample Steps are Flawed", table 2 (leading, trailing,
 * linspace); Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models", equation 5.
 */
import { UserError } from '../errors.ts';
import { roundHalfToEven } from '../numbers.ts';
import type { NoisePath, SigmaSpread, StopOptions, StopRule, Stops, TimestepSpacing } from './noise-path.ts';
import { spreadOf, spreadSigmas } from './sigma-spreads.ts';

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
  /** ᾱ of a whole timestep; that of the end of the chain below 0. */
  level(timestep: number): number;
}

/** A point of the path: a timestep (below 0: the end of the chain), a σ, or a level, which here is ᾱ. */
export type Point = { readonly timestep: number } | { readonly ratio: number } | { readonly level: number };

/** Timesteps, noisiest first, and the points where steps begin and end. */
export interface Spread extends Pick<Stops, 'timesteps'> {
  /** One more than timesteps: where each step begins, and where the last one ends. */
  readonly points: readonly Point[];
  /** Where each step ends, if that is not always where the next one begins. */
  readonly ends?: readonly Point[];
  /** Whether the chain starts with as much noise as the first stop has, instead of a standard deviation of 1. */
  readonly startsAtLevel?: boolean;
  /** Whether the result is the last latent at the scale of the clean latent: divided by the signal of the last stop. */
  readonly endsAtCleanScale?: boolean;
}

/** The timesteps of `steps` steps as DDIM's scheduler spreads them. @throws UserError for a number of steps that is out of range */
export function ddimTimesteps(trained: TrainedTimesteps, steps: number, spacing: TimestepSpacing): number[] {
  const { count, offset } = trained;
  checkSteps(trained, steps);
  const spread = {
    leading: () => Array.from({ length: steps }, (_, i) => i * Math.floor(count / steps) + offset).reverse(),
    trailing: () => falling(count, count / steps, steps).map((value) => roundHalfToEven(value) - 1),
    linspace: () =>
      steps === 1
        ? [0]
        : rising(count - 1, steps - 1)
            .map(roundHalfToEven)
            .reverse(),
  };
  const timesteps = spread[spacing]();
  const [noisiest] = timesteps;
  if (noisiest >= count) {
    throw new UserError(
      `schedule: ${steps} steps with steps_offset ${offset} reach timestep ${noisiest}, but the last one is ${count - 1}; use fewer steps`,
    );
  }
  return timesteps;
}

/** 0 to `last` in equal parts, with the roundings of numpy's linspace: halves are rounded as they fall in float64. */
const rising = (last: number, parts: number): number[] =>
  Array.from({ length: parts + 1 }, (_, i) => (i === parts ? last : i * (last / parts)));

/** `count` numbers from `first` down by `step`, with the roundings of numpy's arange. */
function falling(first: number, step: number, count: number): number[] {
  const difference = first - step - first;
  return Array.from({ length: count }, (_, i) => first + i * difference);
}

/** Where noise has ended. */
const NO_NOISE = { ratio: 0 };

/** Stops at timesteps, and the end of the last step. */
const atTimesteps = (timesteps: readonly number[], end: Point): Spread => ({
  timesteps,
  points: [...timesteps.map((timestep) => ({ timestep })), end],
});

/** Spreads `steps` steps by a rule. @throws UserError for a number of steps that is out of range */
export function spreadTimesteps(trained: TrainedTimesteps, steps: number, options: StopOptions): Spread {
  const { config } = trained;
  const { rule = 'ddim', spacing = trained.spacing, finalNoise } = options;
  const ending = finalNoise ?? (config.final_sigmas_type === 'sigma_min' ? 'smallest' : 'zero');
  const end = ending === 'zero' ? NO_NOISE : { timestep: 0 };
  const sigmas = options.sigmas ?? spreadOf(config);

  switch (rule) {
    case 'ddim':
    case 'edict': {
      const timesteps = ddimTimesteps(trained, steps, spacing ?? 'leading');
      const last = { timestep: timesteps[steps - 1] - Math.floor(trained.count / steps) };
      if (options.stepEnds === 'next') return atTimesteps(timesteps, last);
      return withReferenceEnds(atTimesteps(timesteps, last), rule, trained);
    }
    case 'lcm':
      return atTimesteps(lcmTimesteps(trained, steps), NO_NOISE);
    case 'euler':
    case 'euler-ancestral':
    case 'heun':
    case 'lms':
    case 'dpm-sde': {
      const used = spacing ?? 'linspace';
      const timesteps = eulerTimesteps(trained, steps, used);
      // With leading timesteps diffusers starts at z = noise; with the others at x = σ·noise, a little shorter. It ends at x.
      const scales = { startsAtLevel: used !== 'leading', endsAtCleanScale: true };
      if (rule === 'euler') return { ...eulerSpread(trained, timesteps, sigmas, end), ...scales };
      if (rule === 'euler-ancestral' || sigmas === undefined) {
        return { ...atTimesteps(timesteps, NO_NOISE), ...scales };
      }
      const [first, last] = [timesteps[0], timesteps[steps - 1]].map(trained.noiseRatio);
      return { ...atRatios(trained, spreadSigmas(sigmas, steps, first, last), NO_NOISE), ...scales };
    }
    case 'dpm-solver':
    case 'unipc': {
      const timesteps = dpmTimesteps(trained, steps, spacing ?? 'linspace', rule);
      const spreadBy = usesLu(rule, config, options) ? 'lu' : sigmas;
      if (spreadBy === undefined) return atTimesteps(timesteps, end);
      const ratios = dpmRatios(trained, rule, steps, spreadBy);
      const endsAgain = rule === 'unipc' && ending === 'smallest';
      const spread = atRatios(trained, ratios, endsAgain ? { ratio: ratios[steps - 1] } : end);
      // The network gets whole timesteps: the nearest to the levels, or those below them.
      const rounds = rule === 'unipc' || config.beta_schedule !== 'squaredcos_cap_v2';
      const whole = (spreadBy === 'lu' || spreadBy === 'karras') && rounds ? roundHalfToEven : Math.floor;
      return { ...spread, timesteps: spread.timesteps.map(whole) };
    }
  }
}

/** Whether the file asks for Lu's levels, and nothing goes before them. */
const usesLu = (rule: StopRule, config: NoisePath['config'], { sigmas }: StopOptions) =>
  rule === 'dpm-solver' &&
  sigmas === undefined &&
  config.use_lu_lambdas === true &&
  config.use_karras_sigmas !== true;

/** The noise levels of DPM-Solver and UniPC, whatever the spacing of the timesteps. */
function dpmRatios(
  trained: TrainedTimesteps,
  rule: 'dpm-solver' | 'unipc',
  steps: number,
  spread: SigmaSpread | 'lu',
): number[] {
  const ends = [trained.count - 1, 0];
  if (spread === 'lu') {
    // Lu's levels are even in log σ, as the exponential ones are, between logarithms in float32.
    const [largest, smallest] = ends.map((timestep) => Math.exp(roundedLog(trained, timestep)));
    return spreadSigmas('exponential', steps, largest, smallest);
  }
  const [largest, smallest] = ends.map((timestep) => roundedRatio(trained, timestep));
  const [from, to] = rule === 'unipc' ? limits(trained, largest, smallest) : [largest, smallest];
  return spreadSigmas(spread, steps, from, to);
}

/** The largest and the smallest σ: the file's, else the given ones. */
function limits({ config }: TrainedTimesteps, largest: number, smallest: number): [number, number] {
  const given = (value: unknown, other: number) => (typeof value === 'number' ? value : other);
  return [given(config.sigma_max, largest), given(config.sigma_min, smallest)];
}

/**
 * The ends of steps as the published code has them. DDIM's scheduler goes down by the whole part of `trained / steps`; EDICT's
 * code goes down by the exact quotient and interpolates ᾱ between timesteps with the two weights exchanged.
 */
function withReferenceEnds(spread: Spread, rule: 'ddim' | 'edict', trained: TrainedTimesteps): Spread {
  const { timesteps } = spread;
  const stride = trained.count / timesteps.length;
  const ends = timesteps.map((timestep): Point => {
    if (rule === 'ddim' || Number.isInteger(stride)) return { timestep: timestep - Math.floor(stride) };
    const end = timestep - stride;
    if (end < 0) return { timestep: -1 };
    const rest = end - Math.floor(end);
    const [low, high] = [Math.floor(end), Math.ceil(end)].map(trained.level);
    return { level: low * rest + high * (1 - rest) };
  });
  return { ...spread, ends };
}

function eulerSpread(
  trained: TrainedTimesteps,
  timesteps: readonly number[],
  sigmas: SigmaSpread | undefined,
  end: Point,
): Spread {
  const { config, noiseRatio, count } = trained;
  const steps = timesteps.length;
  const isLogLinear = config.interpolation_type === 'log_linear';
  const [first, last] = isLogLinear
    ? [noiseRatio(count - 1), noiseRatio(0)]
    : [noiseRatio(timesteps[0]), noiseRatio(timesteps[steps - 1])];
  if (sigmas !== undefined) {
    return atRatios(trained, spreadSigmas(sigmas, steps, ...limits(trained, first, last)), end);
  }
  if (!isLogLinear) return atTimesteps(timesteps, end);
  // Even in log σ from the first to the last trained timestep; the network gets the timesteps of the spacing all the same.
  const points = spreadSigmas('exponential', steps + 1, first, last).map((ratio) => ({ ratio }));
  return { timesteps, points };
}

/** Stops at given values of σ, and the end of the last step. */
function atRatios(trained: TrainedTimesteps, ratios: readonly number[], end: Point): Spread {
  return {
    timesteps: ratios.map((ratio) => timestepOfRatio(trained, ratio)),
    points: [...ratios.map((ratio) => ({ ratio })), end],
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
  return rising(last, steps - 1)
    .map(Math.fround)
    .reverse();
}

/**
 * Unlike DDIM's, leading and linspace timesteps are spread over one step more, whose last (timestep 0) is left out. DPM-Solver's
 * begin at the first timestep whose log-SNR is not below `lambda_min_clipped`.
 */
function dpmTimesteps(
  trained: TrainedTimesteps,
  steps: number,
  spacing: TimestepSpacing,
  rule: 'dpm-solver' | 'unipc',
): number[] {
  const { count, offset } = trained;
  ddimTimesteps(trained, steps, trained.spacing ?? 'leading'); // refuses a number of steps that is out of range
  const used = rule === 'dpm-solver' ? clippedCount(trained) : count;
  if (spacing === 'trailing') {
    return falling(used, count / steps, steps)
      .filter((value) => value > 1e-9)
      .map((value) => roundHalfToEven(value) - 1);
  }
  const ascending =
    spacing === 'leading'
      ? Array.from({ length: steps + 1 }, (_, i) => i * Math.floor(used / (steps + 1)) + offset)
      : rising(used - 1, steps).map(roundHalfToEven);
  return ascending.slice(1).reverse();
}

/** How many timesteps have a log-SNR λ = -ln σ of at least `lambda_min_clipped`. */
function clippedCount({ config, count, noiseRatio }: TrainedTimesteps): number {
  const least = config.lambda_min_clipped;
  if (typeof least !== 'number' || least === Number.NEGATIVE_INFINITY) return count;
  let used = count;
  while (used > 1 && -Math.log(noiseRatio(used - 1)) < least) used--;
  return used;
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

/**
 * The timestep of a σ, with fractions: log σ is interpolated between timesteps. Clamped to the schedule's ends.
 *
 * The logarithms of the trained timesteps are rounded to float32 as diffusers has them: where the result is rounded down to a whole
 * timestep, they decide whether the noisiest σ belongs to the last timestep or to the one below.
 */
export function timestepOfRatio(trained: TrainedTimesteps, ratio: number): number {
  const { count } = trained;
  const last = count - 1;
  const logarithm = (timestep: number) => roundedLog(trained, timestep);
  const wanted = Math.log(ratio);
  let below = 0;
  while (below < last - 1 && logarithm(below + 1) <= wanted) below++;
  const [low, high] = [logarithm(below), logarithm(below + 1)];
  const share = Math.min(1, Math.max(0, (wanted - low) / (high - low)));
  return (1 - share) * below + share * (below + 1);
}

/** σ of a timestep in float32, as diffusers computes it. */
function roundedRatio({ level, noiseRatio }: TrainedTimesteps, timestep: number): number {
  const alpha = Math.fround(level(timestep));
  if (alpha === 0) return noiseRatio(timestep);
  return Math.fround(Math.sqrt(Math.fround(Math.fround(1 - alpha) / alpha)));
}

const roundedLog = (trained: TrainedTimesteps, timestep: number) =>
  Math.fround(Math.log(roundedRatio(trained, timestep)));
