/**
 * @file diffusers' scheduler classes that have a sampler here: the defaults of their keys, and the values that are honoured.
 *
 * Reference: the constructors of the classes in diffusers 0.42 (schedulers.test.ts and flow-path.test.ts compare names and defaults).
 */
import type { SamplerName } from './sampler-names.ts';

/** A key of `scheduler_config.json`. */
export interface SchedulerKey {
  readonly default: unknown;
  /** What a usable value is, in words. */
  readonly right: string;
  accepts(value: unknown): boolean;
  /** Whether it changes nothing where all other values are usable: a detail of something that is not supported. */
  readonly inert?: boolean;
}

export type Keys = Readonly<Record<string, SchedulerKey>>;

const key = (byDefault: unknown, right: string, accepts: (value: unknown) => boolean): SchedulerKey => ({
  default: byDefault,
  right,
  accepts,
});
/** Most timesteps of a training: Stable Diffusion has 1000, improved DDPM 4000. */
const MOST_TIMESTEPS = 10_000;
/** Largest ratio of noise to signal in a file: Stable Diffusion begins with 14.6, variance-exploding paths with some hundred. */
const MOST_NOISE = 10_000;

const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
const flag = (byDefault: boolean) =>
  key(byDefault, 'true or false', (v) => typeof v === 'boolean' || v === null);
const off = key(false, 'false', (v) => v === false || v === null);
const unset = key(null, 'null', (v) => v === null);
const oneOf = (byDefault: unknown, choices: readonly unknown[]) =>
  key(byDefault, `one of ${choices.join(', ')}`, (v) => choices.includes(v));
const number = (byDefault: number, right: string, accepts: (value: number) => boolean) =>
  key(byDefault, right, (v) => isNumber(v) && accepts(v));
const count = (byDefault: number, least: number) =>
  number(
    byDefault,
    `a whole number from ${least} to ${MOST_TIMESTEPS}`,
    (v) => Number.isInteger(v) && v >= least && v <= MOST_TIMESTEPS,
  );
const share = (byDefault: number) => number(byDefault, 'a number between 0 and 1', (v) => v > 0 && v < 1);
const inert = (byDefault: unknown): SchedulerKey => ({
  ...key(byDefault, 'anything', () => true),
  inert: true,
});
const positiveOrNull = key(
  null,
  `a number from 1e-6 to ${MOST_NOISE}, or null`,
  (v) => v === null || (isNumber(v) && v >= 1e-6 && v <= MOST_NOISE),
);

const PREDICTIONS = ['epsilon', 'v_prediction', 'sample'];
const SPACINGS = ['leading', 'trailing', 'linspace'];
const BETAS = ['linear', 'scaled_linear', 'squaredcos_cap_v2'];

const trained = (first: number, last: number, betas: string, more: readonly string[] = []): Keys => ({
  num_train_timesteps: count(1000, 1),
  beta_start: share(first),
  beta_end: share(last),
  beta_schedule: oneOf(betas, [...BETAS, ...more]),
  trained_betas: key(
    null,
    'a list of numbers between 0 and 1, or null',
    (v) => v === null || (Array.isArray(v) && v.every((beta) => isNumber(beta) && beta >= 0 && beta <= 1)),
  ),
});
export const LINEAR = trained(0.0001, 0.02, 'linear');
const STABLE_LINEAR = trained(0.00085, 0.012, 'linear', ['exp']);
const STABLE = trained(0.00085, 0.012, 'scaled_linear');

export const spaced = (spacing: string): Keys => ({
  timestep_spacing: oneOf(spacing, SPACINGS),
  steps_offset: count(0, 0),
});
export const SIGMAS: Keys = {
  use_karras_sigmas: flag(false),
  use_exponential_sigmas: flag(false),
  use_beta_sigmas: flag(false),
};
/** Dynamic thresholding is made for pixels. */
const THRESHOLDING: Keys = {
  thresholding: off,
  dynamic_thresholding_ratio: inert(0.995),
  sample_max_value: inert(1),
};
/** Stable Diffusion's pipeline switches clipping off, whatever the file says. */
const clipping = (byDefault: boolean): Keys => ({
  clip_sample: { ...flag(byDefault), inert: true },
  clip_sample_range: inert(1),
});
/** Rectified flows have a class of their own. */
const NO_FLOW: Keys = {
  use_flow_sigmas: off,
  flow_shift: inert(1),
  use_dynamic_shifting: off,
  time_shift_type: inert('exponential'),
};
const FINAL: Keys = { final_sigmas_type: oneOf('zero', ['zero', 'sigma_min']) };
const ZERO_SNR: Keys = { rescale_betas_zero_snr: flag(false) };
const prediction = (choices: readonly string[] = PREDICTIONS): Keys => ({
  prediction_type: oneOf('epsilon', choices),
});
const NO_CLEAN = ['epsilon', 'v_prediction'];

const CONSISTENCY: Keys = {
  ...STABLE,
  ...prediction(),
  ...spaced('leading'),
  ...clipping(false),
  ...THRESHOLDING,
  ...ZERO_SNR,
  original_inference_steps: count(50, 1),
  timestep_scaling: number(10, 'a number from 0.001 to 1000', (v) => v >= 0.001 && v <= 1000),
  set_alpha_to_one: flag(true),
};

const MULTISTEP: Keys = {
  ...LINEAR,
  ...prediction(),
  ...spaced('linspace'),
  ...SIGMAS,
  ...THRESHOLDING,
  ...NO_FLOW,
  ...FINAL,
  ...ZERO_SNR,
};
/** What the multistep solvers read on a rectified flow, too. */
const ORDERS: Keys = { solver_order: oneOf(2, [1, 2, 3]), lower_order_final: flag(true) };
const DPM_SOLVER: Keys = {
  ...ORDERS,
  algorithm_type: oneOf('dpmsolver++', [
    'dpmsolver++',
    'dpmsolver',
    'sde-dpmsolver++',
    'sde-dpmsolver',
    'deis',
  ]),
  solver_type: oneOf('midpoint', ['midpoint', 'heun', 'logrho', 'bh1', 'bh2']),
  euler_at_final: flag(false),
};
const UNIPC: Keys = {
  ...ORDERS,
  predict_x0: flag(true),
  solver_type: oneOf('bh2', ['bh1', 'bh2', 'midpoint', 'heun', 'logrho']),
  disable_corrector: key(
    [],
    'a list of steps',
    (v) => Array.isArray(v) && v.every((step) => Number.isInteger(step)),
  ),
};

/** A scheduler class that has a sampler here. */
export interface SchedulerClass {
  readonly sampler: SamplerName;
  readonly keys: Keys;
}

/** The scheduler classes of variance-preserving paths that have a sampler here. */
export const SCHEDULERS = {
  DDIMScheduler: {
    sampler: 'ddim',
    keys: {
      ...LINEAR,
      ...prediction(),
      ...spaced('leading'),
      ...clipping(true),
      ...THRESHOLDING,
      ...ZERO_SNR,
      set_alpha_to_one: flag(true),
    },
  },
  PNDMScheduler: {
    sampler: 'pndm',
    keys: {
      ...LINEAR,
      ...prediction(NO_CLEAN),
      ...spaced('leading'),
      set_alpha_to_one: flag(false),
      skip_prk_steps: flag(false),
    },
  },
  DPMSolverMultistepScheduler: {
    sampler: 'dpm-solver',
    keys: {
      ...MULTISTEP,
      ...DPM_SOLVER,
      use_lu_lambdas: flag(false),
      lambda_min_clipped: key(
        Number.NEGATIVE_INFINITY,
        'a number from -100 to 100, or -Infinity',
        (v) =>
          (isNumber(v) && Math.abs(v) <= 100) ||
          v === Number.NEGATIVE_INFINITY ||
          v === '-Infinity' ||
          v === null,
      ),
      variance_type: key(
        null,
        'null (a network that learned its variance gives twice the channels)',
        (v) => v !== 'learned' && v !== 'learned_range',
      ),
    },
  },
  EulerDiscreteScheduler: {
    sampler: 'euler',
    keys: {
      ...LINEAR,
      ...prediction(),
      ...spaced('linspace'),
      ...SIGMAS,
      ...FINAL,
      ...ZERO_SNR,
      interpolation_type: oneOf('linear', ['linear', 'log_linear']),
      sigma_min: positiveOrNull,
      sigma_max: positiveOrNull,
      timestep_type: oneOf('discrete', ['discrete', 'continuous']),
    },
  },
  EulerAncestralDiscreteScheduler: {
    sampler: 'euler-ancestral',
    keys: { ...LINEAR, ...prediction(NO_CLEAN), ...spaced('linspace'), ...ZERO_SNR },
  },
  HeunDiscreteScheduler: {
    sampler: 'heun',
    keys: { ...STABLE_LINEAR, ...prediction(), ...spaced('linspace'), ...SIGMAS, ...clipping(false) },
  },
  LMSDiscreteScheduler: {
    sampler: 'lms',
    keys: { ...LINEAR, ...prediction(), ...spaced('linspace'), ...SIGMAS },
  },
  DPMSolverSDEScheduler: {
    sampler: 'dpm-sde',
    keys: {
      ...trained(0.00085, 0.012, 'linear'),
      ...prediction(NO_CLEAN),
      ...spaced('linspace'),
      ...SIGMAS,
      // The noise is drawn from the seed of the run.
      noise_sampler_seed: unset,
    },
  },
  UniPCMultistepScheduler: {
    sampler: 'unipc',
    keys: {
      ...MULTISTEP,
      ...UNIPC,
      solver_p: unset,
      sigma_min: positiveOrNull,
      sigma_max: positiveOrNull,
      shift_terminal: unset,
    },
  },
  LCMScheduler: { sampler: 'lcm', keys: CONSISTENCY },
  TCDScheduler: { sampler: 'tcd', keys: CONSISTENCY },
} as const satisfies Record<string, SchedulerClass>;

/** Largest shift of a file: SD3 has 3, video models up to 17. */
const MOST_SHIFT = 1000;
const shift = (byDefault: number) =>
  key(
    byDefault,
    `a number from -${MOST_SHIFT} to ${MOST_SHIFT}, or null`,
    (v) => v === null || (isNumber(v) && Math.abs(v) <= MOST_SHIFT),
  );
const tokens = (byDefault: number) =>
  number(byDefault, 'a whole number above 0', (v) => Number.isInteger(v) && v > 0);

const SHIFTED: Keys = {
  num_train_timesteps: count(1000, 1),
  shift: number(1, `a number above 0, up to ${MOST_SHIFT}`, (v) => v > 0 && v <= MOST_SHIFT),
};
/** What the path of a rectified flow reads, whichever sampler takes it. */
export const FLOW_PATH: Keys = {
  ...SHIFTED,
  use_dynamic_shifting: flag(false),
  base_shift: shift(0.5),
  max_shift: shift(1.15),
  base_image_seq_len: tokens(256),
  max_image_seq_len: tokens(4096),
  // Of Mochi alone, whose time runs the other way.
  invert_sigmas: off,
  shift_terminal: key(
    null,
    'a number from 0 to below 1, or null',
    (v) => v === null || (isNumber(v) && v >= 0 && v < 1),
  ),
  ...SIGMAS,
  time_shift_type: oneOf('exponential', ['exponential', 'linear']),
};
export const STOCHASTIC: Keys = { stochastic_sampling: flag(false) };

/** Latents that grow from step to step. */
const UPSCALED: Keys = { scale_factors: unset, upscale_mode: inert('bicubic') };

/** The scheduler classes of rectified flows that have a sampler here. */
export const FLOW_SCHEDULERS = {
  FlowMatchEulerDiscreteScheduler: { sampler: 'euler', keys: { ...FLOW_PATH, ...STOCHASTIC } },
  FlowMatchHeunDiscreteScheduler: { sampler: 'heun', keys: SHIFTED },
  FlowMatchLCMScheduler: { sampler: 'lcm', keys: { ...FLOW_PATH, ...UPSCALED } },
} as const satisfies Record<string, SchedulerClass>;

/** What samplers read on a rectified flow beside the keys of the path. */
export const READ_ON_FLOW: Partial<Record<SamplerName, Keys>> = {
  euler: STOCHASTIC,
  lcm: UPSCALED,
  'dpm-solver': DPM_SOLVER,
  'dpm-2m-sde': DPM_SOLVER,
  unipc: UNIPC,
};
