/**
 * @file The variance-preserving noise path of DDPM and Stable Diffusion, from diffusers' `scheduler_config.json`.
 *
 * A level of this path is ᾱ, the share of signal variance: signal √ᾱ, noise √(1-ᾱ), so that a latent of variance 1 keeps it.
 *
 * Reference: Ho et al. 2020 (DDPM, equation 4; linear betas), Nichol and Dhariwal 2021 (cosine), Rombach et al. 2022 (scaled
 * linear).
 */
import { UserError } from '../errors.ts';
import type { NoisePath, StepCoefficients, TimestepSpacing } from './noise-path.ts';
import { ddimTimesteps, spreadTimesteps, type TrainedTimesteps } from './timestep-spacing.ts';

export type BetaSchedule = 'linear' | 'scaled_linear' | 'squaredcos_cap_v2';
export type PredictionType = 'epsilon' | 'v_prediction' | 'sample';

/**
 * The keys of diffusers' `scheduler_config.json` that fix the schedule; other keys may be present and are ignored
 * (`clip_sample` too: latents are never clipped, whatever the file says, as diffusers' own latent pipelines do).
 */
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

/** How a network's output becomes a noise prediction: `ε = latent·z + output·network(z)`. */
export interface OutputCoefficients {
  readonly latent: number;
  readonly output: number;
}

/** A variance-preserving path, with the discrete timesteps that its networks were trained on. */
export interface Schedule extends NoisePath {
  readonly config: SchedulerConfig;
  readonly predicts: 'noise';
  /** Number of timesteps that the network was trained on (1000 for Stable Diffusion). */
  readonly trainTimesteps: number;
  readonly betas: Float64Array;
  /** ᾱ, the share of signal variance at each training timestep: falls from almost 1 to almost 0. */
  readonly alphasCumprod: Float64Array;
  /** ᾱ where a step ends before timestep 0. */
  readonly finalAlphaCumprod: number;
  /** What the network gives, which {@link noiseFromOutput} turns into noise. */
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
  /**
   * How the network's output becomes a noise prediction, by `predictionType`. The pullback of the prediction is then
   * `latent·c + output·Jᵀc`.
   *
   * Reference: Salimans and Ho 2022, appendix D (velocity).
   */
  noiseFromOutput(timestep: number): OutputCoefficients;
}

/**
 * Builds a schedule, in float64, from diffusers' `scheduler_config.json`.
 *
 * Absent keys get the default of the class that the file names (PNDM differs in `set_alpha_to_one`, LCM in its betas).
 *
 * @throws UserError for a value that is unknown or out of range, and for zero-terminal-SNR schedules, where ε carries no
 * information at the first step.
 */
export function createSchedule(config: SchedulerConfig = {}): Schedule {
  const trainTimesteps = config.num_train_timesteps ?? 1000;
  if (!Number.isInteger(trainTimesteps) || trainTimesteps < 1) {
    throw invalid('num_train_timesteps', trainTimesteps, 'a whole number from 1 up');
  }
  if (config.rescale_betas_zero_snr === true) {
    throw invalid('rescale_betas_zero_snr', true, 'false (zero-terminal-SNR models are not supported)');
  }
  const stepsOffset = config.steps_offset ?? 0;
  if (!Number.isInteger(stepsOffset) || stepsOffset < 0) {
    throw invalid('steps_offset', stepsOffset, 'a whole number from 0 up');
  }
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

  const betas = betasOf(config, trainTimesteps);
  const alphasCumprod = new Float64Array(trainTimesteps);
  for (let t = 0, share = 1; t < trainTimesteps; t++) {
    share *= 1 - betas[t];
    alphasCumprod[t] = share;
  }
  const setAlphaToOne = config.set_alpha_to_one ?? config._class_name !== 'PNDMScheduler';
  const finalAlphaCumprod = setAlphaToOne ? 1 : alphasCumprod[0];

  const level = (timestep: number) => {
    if (timestep < 0) return finalAlphaCumprod;
    const below = Math.floor(timestep);
    const share = timestep - below;
    if (share === 0) return alphasCumprod[below];
    const ratio = (t: number) => noiseRatio(alphasCumprod[t]);
    return levelOfRatio((1 - share) * ratio(below) + share * ratio(below + 1));
  };
  const trained: TrainedTimesteps = {
    config,
    count: trainTimesteps,
    spacing: timestepSpacing,
    offset: stepsOffset,
    noiseRatio: (timestep) => noiseRatio(level(timestep)),
  };
  return {
    config,
    predicts: 'noise',
    trainTimesteps,
    betas,
    alphasCumprod,
    finalAlphaCumprod,
    predictionType,
    level,
    signal,
    noise,
    // x0 = (z - √(1-ᾱ)·ε) / √ᾱ: Song et al. 2021 (DDIM), equation 9.
    cleanLatent: (level) => ({ latent: 1 / signal(level), prediction: -noise(level) / signal(level) }),
    noisePart: () => ({ latent: 0, prediction: 1 }),
    step: ddimStep,
    timesteps: (steps, spacing = timestepSpacing ?? 'leading') => ddimTimesteps(trained, steps, spacing),
    stops(steps, options = {}) {
      const { timesteps, ends, startsAtLevel, endsAtCleanScale } = spreadTimesteps(trained, steps, options);
      const levels = ends.map((end) => ('ratio' in end ? levelOfRatio(end.ratio) : level(end.timestep)));
      return {
        timesteps,
        levels,
        startScale: startsAtLevel ? noise(levels[0]) : 1,
        endScale: endsAtCleanScale ? 1 / signal(levels[steps]) : 1,
      };
    },
    noiseFromOutput(timestep) {
      const [clean, spread] = [signal(level(timestep)), noise(level(timestep))];
      switch (predictionType) {
        case 'epsilon':
          return { latent: 0, output: 1 };
        case 'v_prediction':
          return { latent: spread, output: clean };
        case 'sample':
          return { latent: 1 / spread, output: -clean / spread };
      }
    },
  };
}

const signal = (level: number) => Math.sqrt(level);
const noise = (level: number) => Math.sqrt(1 - level);

/** σ = √((1-ᾱ)/ᾱ): noise over signal. */
const noiseRatio = (level: number) => Math.sqrt((1 - level) / level);
const levelOfRatio = (ratio: number) => 1 / (1 + ratio ** 2);

/**
 * DDIM's step: `z' = A·z + B·ε`, with A = √(ᾱ'/ᾱ), which is never below 1, and B = √(1-ᾱ'-f²) - A·√(1-ᾱ), where f is the
 * standard deviation of the fresh noise.
 *
 * Reference: Song et al. 2021, "Denoising Diffusion Implicit Models", equations 12 and 16.
 */
function ddimStep(from: number, to: number, eta = 0): StepCoefficients {
  const freshNoise = eta * Math.sqrt(((1 - to) / (1 - from)) * (1 - from / to));
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
  const isLcm = config._class_name === 'LCMScheduler';
  const first = config.beta_start ?? (isLcm ? 0.00085 : 0.0001);
  const last = config.beta_end ?? (isLcm ? 0.012 : 0.02);
  if (!(first > 0 && first < 1)) throw invalid('beta_start', first, 'a number between 0 and 1');
  if (!(last > 0 && last < 1)) throw invalid('beta_end', last, 'a number between 0 and 1');
  const ramp = (from: number, to: number, i: number) => from + ((to - from) * i) / Math.max(count - 1, 1);

  switch (
    oneOf<BetaSchedule>('beta_schedule', config.beta_schedule ?? (isLcm ? 'scaled_linear' : 'linear'), [
      'linear',
      'scaled_linear',
      'squaredcos_cap_v2',
    ])
  ) {
    case 'linear':
      return Float64Array.from({ length: count }, (_, i) => ramp(first, last, i));
    case 'scaled_linear':
      return Float64Array.from({ length: count }, (_, i) => ramp(Math.sqrt(first), Math.sqrt(last), i) ** 2);
    case 'squaredcos_cap_v2': {
      const signal = (share: number) => Math.cos(((share + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
      return Float64Array.from({ length: count }, (_, i) =>
        Math.min(1 - signal((i + 1) / count) / signal(i / count), 0.999),
      );
    }
  }
}

function oneOf<T extends string>(key: string, value: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw invalid(key, value, `one of ${choices.join(', ')}`);
  return found;
}

function invalid(key: string, got: unknown, right: string): UserError {
  return new UserError(`createSchedule: ${key} is not usable, got ${got}; it must be ${right}`);
}
