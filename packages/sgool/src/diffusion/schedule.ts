/**
 * @file The noise schedule: how much signal is left at each training timestep, and which timesteps a sampler visits.
 *
 * Reference: Ho et al. 2020 (DDPM, linear betas), Nichol and Dhariwal 2021 (cosine), Rombach et al. 2022 (scaled
 * linear), Lin et al. 2023 (table 2: leading, trailing, linspace). The configuration keys are those of diffusers'
 * `scheduler_config.json`.
 */
import { UserError } from '../errors.ts';
import { roundHalfToEven } from '../numbers.ts';

export type BetaSchedule = 'linear' | 'scaled_linear' | 'squaredcos_cap_v2';
export type TimestepSpacing = 'leading' | 'trailing' | 'linspace';
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

/** One step of a sampler: from the noise level of `timestep` to that of `previous`; below 0 is the end of the chain. */
export interface Transition {
  readonly timestep: number;
  readonly previous: number;
}

export interface Schedule {
  /** The file's keys, for samplers that have some of their own. */
  readonly config: SchedulerConfig;
  /** Number of timesteps that the network was trained on (1000 for Stable Diffusion). */
  readonly trainTimesteps: number;
  readonly betas: Float64Array;
  /** ᾱ, the share of signal variance at each training timestep: falls from almost 1 to almost 0. */
  readonly alphasCumprod: Float64Array;
  /** ᾱ where a step ends before timestep 0. */
  readonly finalAlphaCumprod: number;
  readonly predictionType: PredictionType;
  /** What the file says, if anything; each sampler has its own default. */
  readonly timestepSpacing: TimestepSpacing | undefined;
  readonly stepsOffset: number;
  /**
   * ᾱ of a timestep; `finalAlphaCumprod` below 0. Between two timesteps √((1-ᾱ)/ᾱ) is interpolated, as Euler's sampler
   * does in diffusers.
   */
  alphaCumprod(timestep: number): number;
  /**
   * The timesteps of `steps` denoising steps, noisiest first; without `spacing` they are spaced as the file says, else
   * `leading`.
   */
  timesteps(steps: number, spacing?: TimestepSpacing): number[];
  /** The same as pairs: each step ends where the next begins, the last one a stride below its beginning. */
  transitions(steps: number): Transition[];
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
  betas.reduce((product, beta, t) => (alphasCumprod[t] = product * (1 - beta)), 1);
  const setAlphaToOne = config.set_alpha_to_one ?? config._class_name !== 'PNDMScheduler';
  const finalAlphaCumprod = setAlphaToOne ? 1 : alphasCumprod[0];

  const timesteps = (steps: number, spacing = timestepSpacing ?? 'leading') =>
    spread(steps, trainTimesteps, spacing, stepsOffset);
  const alphaCumprod = (timestep: number) => {
    if (timestep < 0) return finalAlphaCumprod;
    const below = Math.floor(timestep);
    const share = timestep - below;
    if (share === 0) return alphasCumprod[below];
    const level = (t: number) => Math.sqrt((1 - alphasCumprod[t]) / alphasCumprod[t]);
    return 1 / (1 + ((1 - share) * level(below) + share * level(below + 1)) ** 2);
  };
  return {
    config,
    trainTimesteps,
    betas,
    alphasCumprod,
    finalAlphaCumprod,
    predictionType,
    timestepSpacing,
    stepsOffset,
    alphaCumprod,
    timesteps,
    transitions(steps) {
      const visited = timesteps(steps);
      const stride = Math.floor(trainTimesteps / steps);
      return visited.map((timestep, i) => ({ timestep, previous: visited[i + 1] ?? timestep - stride }));
    },
  };
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

function spread(steps: number, trainTimesteps: number, spacing: TimestepSpacing, offset: number): number[] {
  if (!Number.isInteger(steps) || steps < 1 || steps > trainTimesteps) {
    throw new UserError(`schedule: steps must be a whole number from 1 to ${trainTimesteps}, got ${steps}`);
  }
  const ascending = Array.from({ length: steps }, (_, i) => {
    if (spacing === 'leading') return i * Math.floor(trainTimesteps / steps) + offset;
    if (spacing === 'trailing') return roundHalfToEven(((i + 1) * trainTimesteps) / steps) - 1;
    return roundHalfToEven((i * (trainTimesteps - 1)) / Math.max(steps - 1, 1));
  });
  const noisiest = ascending[steps - 1];
  if (noisiest >= trainTimesteps) {
    throw new UserError(
      `schedule: ${steps} steps with steps_offset ${offset} reach timestep ${noisiest}, but the last one is ${trainTimesteps - 1}; use fewer steps`,
    );
  }
  return ascending.reverse();
}

function oneOf<T extends string>(key: string, value: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw invalid(key, value, `one of ${choices.join(', ')}`);
  return found;
}

function invalid(key: string, got: unknown, right: string): UserError {
  return new UserError(`createSchedule: ${key} is not usable, got ${got}; it must be ${right}`);
}
