/**
 * @file The variance-preserving noise path of DDPM and Stable Diffusion, from diffusers' `scheduler_config.json`.
 *
 * A level of this path is ᾱ, the share of signal variance: signal √ᾱ, noise √(1-ᾱ), so that a latent of variance 1 keeps it.
 *
 * Reference: Ho et al. 2020 (DDPM, equation 4; linear betas), Nichol and Dhariwal 2021 (cosine), Rombach et al. 2022 (scaled
 * linear).
 */
import { UserError } from '../errors.ts';
import type { NoisePath, StepCoefficients, StopRule, TimestepSpacing } from './noise-path.ts';
import { SCHEDULERS, type SchedulerClass } from './scheduler-classes.ts';
import { checkScheduleNumbers, schedulerClass } from './scheduler-keys.ts';
import {
  ddimTimesteps,
  type Point,
  spreadTimesteps,
  type TrainedTimesteps,
  timestepOfRatio,
} from './timestep-spacing.ts';

export type BetaSchedule = 'linear' | 'scaled_linear' | 'squaredcos_cap_v2' | 'exp';
/** What a network predicts: the noise, the velocity, or the clean latent. */
export type PredictionType = 'epsilon' | 'v_prediction' | 'sample';

/** The keys of diffusers' `scheduler_config.json` that fix the schedule; scheduler-classes.ts has all keys. */
export interface SchedulerConfig {
  /** Decides the defaults of the other keys, which differ from class to class. */
  _class_name?: string;
  num_train_timesteps?: number;
  beta_start?: number;
  beta_end?: number;
  beta_schedule?: string;
  trained_betas?: readonly number[] | null;
  /** Whether the last step ends at no noise at all (true) or at the noise of timestep 0 (false). */
  set_alpha_to_one?: boolean;
  /** Added to every timestep with leading spacing. */
  steps_offset?: number;
  timestep_spacing?: string;
  prediction_type?: string;
  rescale_betas_zero_snr?: boolean;
  [key: string]: unknown;
}

/** What all published models of Stable Diffusion 1 and 2 were trained with, but for `prediction_type`. */
export const STABLE_DIFFUSION_SCHEDULER = {
  _class_name: 'DDIMScheduler',
  num_train_timesteps: 1000,
  beta_start: 0.00085,
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  set_alpha_to_one: false,
  steps_offset: 1,
  clip_sample: false,
} as const;

/** A variance-preserving path, with the discrete timesteps that its networks were trained on. */
export interface Schedule extends NoisePath {
  readonly config: SchedulerConfig;
  /** Number of timesteps that the network was trained on (1000 for Stable Diffusion). */
  readonly trainTimesteps: number;
  readonly betas: Float64Array;
  /** ᾱ, the share of signal variance at each training timestep: falls from almost 1 to almost 0. */
  readonly alphasCumprod: Float64Array;
  /** ᾱ where a step ends before timestep 0. */
  readonly finalAlphaCumprod: number;
  /** What the network gives, under the name that the file has for it. */
  readonly predictionType: PredictionType;
  /**
   * ᾱ of a timestep; `finalAlphaCumprod` below 0. Between two timesteps √((1-ᾱ)/ᾱ) is interpolated, as Euler's sampler
   * does in diffusers.
   */
  level(timestep: number): number;
  /**
   * The timesteps of `steps` steps, noisiest first; without `spacing` they are spread as the file says, else `leading`.
   *
   * @throws UserError for a number of steps that is out of range
   */
  timesteps(steps: number, spacing?: TimestepSpacing): number[];
}

/**
 * Builds a schedule, in float64, from diffusers' `scheduler_config.json`.
 *
 * Absent keys get the default of the class that the file names (PNDM differs in `set_alpha_to_one`, LCM in its betas).
 *
 * With `rescale_betas_zero_snr` the last timestep has no signal at all. DDIM takes it so; samplers that divide by the signal take
 * 2⁻²⁴ for its ᾱ, as diffusers does.
 *
 * @throws UserError for a value that is unknown or out of range
 */
export function createSchedule(config: SchedulerConfig = {}): Schedule {
  checkScheduleNumbers(config);
  const trainTimesteps = config.num_train_timesteps ?? 1000;
  const stepsOffset = config.steps_offset ?? 0;
  const timestepSpacing =
    config.timestep_spacing === undefined
      ? undefined
      : oneOf<TimestepSpacing>('timestep_spacing', config.timestep_spacing, [
          'leading',
          'trailing',
          'linspace',
        ]);
  const predictionType = oneOf<PredictionType>('prediction_type', config.prediction_type ?? 'epsilon', [
    'epsilon',
    'v_prediction',
    'sample',
  ]);

  const given = betasOf(config, trainTimesteps);
  const betas = config.rescale_betas_zero_snr === true ? zeroTerminalBetas(given) : given;
  const alphasCumprod = cumulative(betas);
  checkSignal(alphasCumprod);
  const setAlphaToOne = config.set_alpha_to_one ?? config._class_name !== 'PNDMScheduler';
  const finalAlphaCumprod = setAlphaToOne ? 1 : alphasCumprod[0];

  const levelIn = (alphas: Float64Array) => (timestep: number) => {
    if (timestep < 0) return finalAlphaCumprod;
    const below = Math.floor(timestep);
    const share = timestep - below;
    if (share === 0) return alphas[below];
    const ratio = (t: number) => noiseRatio(alphas[t]);
    return levelOfRatio((1 - share) * ratio(below) + share * ratio(below + 1));
  };
  const level = levelIn(alphasCumprod);
  const divisible = alphasCumprod.map((alpha) => (alpha === 0 ? LEAST_SIGNAL : alpha));
  const divisibleLevel = levelIn(divisible);
  const trained: TrainedTimesteps = {
    config,
    count: trainTimesteps,
    spacing: timestepSpacing,
    offset: stepsOffset,
    level,
    noiseRatio: (timestep) => noiseRatio(divisibleLevel(timestep)),
  };
  const meaning = MEANINGS[predictionType];
  return {
    kind: 'variance-preserving',
    config,
    trainTimesteps,
    betas,
    alphasCumprod,
    finalAlphaCumprod,
    predictionType,
    level,
    levelOfRatio,
    timestepOfRatio: (ratio) => timestepOfRatio(trained, ratio),
    signal,
    noise,
    ...meaning,
    // A level without signal says nothing of the clean latent to a network that predicts noise.
    step: predictionType === 'epsilon' ? ddimStep : (from, to, eta) => composedStep(meaning, from, to, eta),
    // Karras et al. 2022, equation 4, for x = z / signal: dx/dσ = ε.
    ode: { scale: signal, time: noiseRatio, slope: meaning.noisePart, level: levelOfRatio },
    timesteps: (steps, spacing = timestepSpacing ?? 'leading') => ddimTimesteps(trained, steps, spacing),
    stops(steps, options = {}) {
      const spread = spreadTimesteps(trained, steps, options);
      const { timesteps, startsAtLevel, endsAtCleanScale } = spread;
      const { rule = 'ddim' } = options;
      const levelOf = TAKES_NO_SIGNAL.has(rule) ? level : divisibleLevel;
      const at = (point: Point) => {
        if ('level' in point) return point.level;
        return 'ratio' in point ? levelOfRatio(point.ratio) : levelOf(point.timestep);
      };
      const levels = spread.points.map(at);
      if (predictionType === 'epsilon' && levels[0] === 0) {
        throw new UserError(
          `schedule: timestep ${timesteps[0]} has no signal (rescale_betas_zero_snr), where a network with prediction_type epsilon says nothing; use timestep_spacing leading, or prediction_type v_prediction if the model was trained so`,
        );
      }
      return {
        timesteps,
        levels,
        ...(spread.ends ? { ends: spread.ends.map(at) } : {}),
        startScale: startsAtLevel ? noise(levels[0]) : 1,
        endScale: endsAtCleanScale ? 1 / signal(levels[levels.length - 1]) : 1,
      };
    },
  };
}

/**
 * Least ᾱ of a timestep but the last: noise is then a million times the signal, and float32 sees nothing of an image in it. Stable
 * Diffusion ends at 0.0047, cosine betas at 2e-9.
 */
const LEAST_ALPHA = 1e-12;

/** @throws UserError where the betas leave no signal before the last timestep, and samplers would divide by zero */
function checkSignal(alphas: Float64Array): void {
  const lost = alphas.subarray(0, -1).findIndex((alpha) => !(alpha >= LEAST_ALPHA));
  if (lost < 0) return;
  throw new UserError(
    `createSchedule: the betas leave a share of ${alphas[lost].toPrecision(3)} of the signal at timestep ${lost} of ${alphas.length}; there must be ${LEAST_ALPHA} until the last but one: beta_end, trained_betas or num_train_timesteps is too large`,
  );
}

/** ᾱ of a timestep without signal for samplers that divide by the signal; diffusers' value. */
const LEAST_SIGNAL = 2 ** -24;

/** Rules whose samplers can begin without signal. */
const TAKES_NO_SIGNAL: ReadonlySet<StopRule> = new Set(['ddim', 'edict', 'lcm']);

const signal = (level: number) => Math.sqrt(level);
const noise = (level: number) => Math.sqrt(1 - level);

/** σ = √((1-ᾱ)/ᾱ): noise over signal. */
const noiseRatio = (level: number) => Math.sqrt((1 - level) / level);
const levelOfRatio = (ratio: number) => 1 / (1 + ratio ** 2);

/** What a prediction says of the clean latent and of the noise. */
type Meaning = Pick<NoisePath, 'predicts' | 'cleanLatent' | 'noisePart'>;

/** Reference: Song et al. 2021 (DDIM), equation 9; Salimans and Ho 2022, appendix D (velocity). */
const MEANINGS: Readonly<Record<PredictionType, Meaning>> = {
  epsilon: {
    predicts: 'noise',
    cleanLatent: (level) => ({ latent: 1 / signal(level), prediction: -noise(level) / signal(level) }),
    noisePart: () => ({ latent: 0, prediction: 1 }),
  },
  v_prediction: {
    predicts: 'velocity',
    cleanLatent: (level) => ({ latent: signal(level), prediction: -noise(level) }),
    noisePart: (level) => ({ latent: noise(level), prediction: signal(level) }),
  },
  sample: {
    predicts: 'clean',
    cleanLatent: () => ({ latent: 0, prediction: 1 }),
    noisePart: (level) => ({ latent: 1 / noise(level), prediction: -signal(level) / noise(level) }),
  },
};

/** Standard deviation of the fresh noise of a step: Song et al. 2021, equation 16. */
const freshDeviation = (from: number, to: number, eta: number) =>
  eta * Math.sqrt(((1 - to) / (1 - from)) * (1 - from / to));

/** DDIM's step from what a prediction says: the clean latent and the noise, put together again at the next level. */
function composedStep(
  { cleanLatent, noisePart }: Meaning,
  from: number,
  to: number,
  eta = 0,
): StepCoefficients {
  if (from === to && eta === 0) return { latent: 1, prediction: 0, freshNoise: 0 };
  const freshNoise = freshDeviation(from, to, eta);
  const [clean, added] = [cleanLatent(from), noisePart(from)];
  const kept = Math.sqrt(1 - to - freshNoise * freshNoise);
  return {
    latent: signal(to) * clean.latent + kept * added.latent,
    prediction: signal(to) * clean.prediction + kept * added.prediction,
    freshNoise,
  };
}

/**
 * DDIM's step: `z' = A·z + B·ε`, with A = √(ᾱ'/ᾱ), which is never below 1, and B = √(1-ᾱ'-f²) - A·√(1-ᾱ), where f is the
 * standard deviation of the fresh noise.
 *
 * Reference: Song et al. 2021, "Denoising Diffusion Implicit Models", equations 12 and 16.
 */
function ddimStep(from: number, to: number, eta = 0): StepCoefficients {
  const freshNoise = freshDeviation(from, to, eta);
  const latent = Math.sqrt(to / from);
  const prediction = Math.sqrt(1 - to - freshNoise * freshNoise) - latent * Math.sqrt(1 - from);
  return { latent, prediction, freshNoise };
}

function betasOf(config: SchedulerConfig, count: number): Float64Array {
  if (config.trained_betas) {
    if (config.trained_betas.length !== count) {
      throw invalid('trained_betas', `${config.trained_betas.length} values`, `${count}, one per timestep`);
    }
    return Float64Array.from(config.trained_betas);
  }
  const defaults: SchedulerClass['keys'] = schedulerClass(config)?.keys ?? SCHEDULERS.DDIMScheduler.keys;
  const first = config.beta_start ?? Number(defaults.beta_start.default);
  const last = config.beta_end ?? Number(defaults.beta_end.default);
  const ramp = (from: number, to: number, i: number) => from + ((to - from) * i) / Math.max(count - 1, 1);

  const kind = config.beta_schedule ?? String(defaults.beta_schedule.default);
  const fromSignal = (share: (done: number) => number) =>
    Float64Array.from({ length: count }, (_, i) =>
      Math.min(1 - share((i + 1) / count) / share(i / count), 0.999),
    );
  switch (
    oneOf<BetaSchedule>('beta_schedule', kind, ['linear', 'scaled_linear', 'squaredcos_cap_v2', 'exp'])
  ) {
    case 'linear':
      return Float64Array.from({ length: count }, (_, i) => ramp(first, last, i));
    case 'scaled_linear':
      return Float64Array.from({ length: count }, (_, i) => ramp(Math.sqrt(first), Math.sqrt(last), i) ** 2);
    case 'squaredcos_cap_v2':
      return fromSignal((done) => Math.cos(((done + 0.008) / 1.008) * (Math.PI / 2)) ** 2);
    case 'exp':
      return fromSignal((done) => Math.exp(-12 * done));
  }
}

function cumulative(betas: Float64Array): Float64Array {
  let share = 1;
  return betas.map((beta) => (share *= 1 - beta));
}

/**
 * Betas whose last timestep has no signal: √ᾱ is shifted to end at 0 and stretched to begin as before.
 *
 * Reference: Lin et al. 2023, "Common Diffusion Noise Schedules and Sample Steps are Flawed", algorithm 1.
 */
function zeroTerminalBetas(betas: Float64Array): Float64Array {
  const roots = cumulative(betas).map(Math.sqrt);
  const [first, last] = [roots[0], roots[roots.length - 1]];
  const shifted = roots.map((root) => ((root - last) * first) / (first - last));
  return shifted.map((root, t) => 1 - root ** 2 / (t === 0 ? 1 : shifted[t - 1] ** 2));
}

function oneOf<T extends string>(key: string, value: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw invalid(key, value, `one of ${choices.join(', ')}`);
  return found;
}

function invalid(key: string, got: unknown, right: string): UserError {
  return new UserError(`createSchedule: ${key} is not usable, got ${got}; it must be ${right}`);
}
