/**
 * @file The keys of diffusers' scheduler classes: their defaults, and the values that are honoured. A value that is not honoured
 * is refused by name.
 *
 * A key of the file that the sampler's class does not know is not read, as `from_config` of diffusers does when one scheduler
 * takes the configuration of another; {@link unreadKeys} names those that would have mattered.
 *
 * Reference: the constructors of the classes in diffusers 0.42 (scheduler-keys.test.ts compares names and defaults).
 */
import { UserError } from '../errors.ts';
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

type Keys = Readonly<Record<string, SchedulerKey>>;

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
const LINEAR = trained(0.0001, 0.02, 'linear');
const STABLE_LINEAR = trained(0.00085, 0.012, 'linear', ['exp']);
const STABLE = trained(0.00085, 0.012, 'scaled_linear');

const spaced = (spacing: string): Keys => ({
  timestep_spacing: oneOf(spacing, SPACINGS),
  steps_offset: count(0, 0),
});
const SIGMAS: Keys = {
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
/** Rectified flows are no path of Stable Diffusion's. */
const FLOW: Keys = {
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
  ...FLOW,
  ...FINAL,
  ...ZERO_SNR,
  solver_order: oneOf(2, [1, 2, 3]),
  lower_order_final: flag(true),
};

/** A scheduler class that has a sampler here. */
export interface SchedulerClass {
  readonly sampler: SamplerName;
  readonly keys: Keys;
}

/** The scheduler classes that have a sampler here. */
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
      algorithm_type: oneOf('dpmsolver++', [
        'dpmsolver++',
        'dpmsolver',
        'sde-dpmsolver++',
        'sde-dpmsolver',
        'deis',
      ]),
      solver_type: oneOf('midpoint', ['midpoint', 'heun', 'logrho', 'bh1', 'bh2']),
      euler_at_final: flag(false),
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
      predict_x0: flag(true),
      solver_type: oneOf('bh2', ['bh1', 'bh2', 'midpoint', 'heun', 'logrho']),
      disable_corrector: key(
        [],
        'a list of steps',
        (v) => Array.isArray(v) && v.every((step) => Number.isInteger(step)),
      ),
      solver_p: unset,
      sigma_min: positiveOrNull,
      sigma_max: positiveOrNull,
      shift_terminal: unset,
    },
  },
  LCMScheduler: { sampler: 'lcm', keys: CONSISTENCY },
  TCDScheduler: { sampler: 'tcd', keys: CONSISTENCY },
} as const satisfies Record<string, SchedulerClass>;

/** Classes of the same noise schedule without a sampler here, and what comes nearest. */
const NEAREST: Readonly<Record<string, string>> = {
  DEISMultistepScheduler: 'dpm-solver',
  DPMSolverSinglestepScheduler: 'dpm-solver',
  KDPM2DiscreteScheduler: 'heun',
  KDPM2AncestralDiscreteScheduler: 'euler-ancestral',
  DDPMScheduler: 'ddim with eta 1',
  IPNDMScheduler: 'pndm',
  SASolverScheduler: 'dpm-2m-sde',
  DDIMParallelScheduler: 'ddim',
  DDPMParallelScheduler: 'ddim with eta 1',
  DDIMInverseScheduler: 'ddim',
  DPMSolverMultistepInverseScheduler: 'dpm-solver',
};

/** The class whose keys a sampler reads. EDICT is built on DDIM's steps. */
const CLASS_OF: Readonly<Record<SamplerName, keyof typeof SCHEDULERS>> = {
  ddim: 'DDIMScheduler',
  edict: 'DDIMScheduler',
  pndm: 'PNDMScheduler',
  'dpm-solver': 'DPMSolverMultistepScheduler',
  'dpm-2m-sde': 'DPMSolverMultistepScheduler',
  'dpm-sde': 'DPMSolverSDEScheduler',
  euler: 'EulerDiscreteScheduler',
  'euler-ancestral': 'EulerAncestralDiscreteScheduler',
  heun: 'HeunDiscreteScheduler',
  lms: 'LMSDiscreteScheduler',
  unipc: 'UniPCMultistepScheduler',
  lcm: 'LCMScheduler',
  tcd: 'TCDScheduler',
};

type Config = Readonly<Record<string, unknown>>;

/** The class that the file names, if it has a sampler here. */
export function schedulerClass({ _class_name: name }: Config): SchedulerClass | undefined {
  if (typeof name !== 'string' || !Object.hasOwn(SCHEDULERS, name)) return undefined;
  return SCHEDULERS[name as keyof typeof SCHEDULERS];
}

/** What is wrong with a class that has no sampler here, in one line; undefined for all others, and where no class is named. */
export function unsupportedScheduler(config: Config): string | undefined {
  const name = config._class_name;
  if (name === undefined || name === null || schedulerClass(config)) return undefined;
  const nearest = typeof name === 'string' && Object.hasOwn(NEAREST, name) ? NEAREST[name] : undefined;
  return nearest === undefined
    ? undefined
    : `the model's scheduler, ${name}, has no sampler here; ${nearest} comes nearest`;
}

/** @throws UserError for a class whose noise schedule is not that of Stable Diffusion, or is not known */
export function refuseForeignScheduler(config: Config): void {
  const name = config._class_name;
  if (name === undefined || name === null || schedulerClass(config) || unsupportedScheduler(config)) return;
  throw new UserError(
    `scheduler: ${JSON.stringify(name)} is not a scheduler of Stable Diffusion 1.x and 2.x; put one of ${Object.keys(SCHEDULERS).join(', ')} into scheduler/scheduler_config.json`,
  );
}

/**
 * A key's value for a sampler: the file's, else the default of the sampler's class.
 *
 * @throws UserError for a value that is not honoured
 */
export function schedulerValue(sampler: SamplerName, config: Config, name: string): unknown {
  const { keys }: SchedulerClass = SCHEDULERS[CLASS_OF[sampler]];
  const known = Object.hasOwn(keys, name) ? keys[name] : undefined;
  if (known === undefined) return undefined;
  const value = config[name];
  if (value === undefined || (value === null && typeof known.default === 'boolean')) return known.default;
  return value;
}

/** The numbers that make a schedule, whichever sampler takes it. */
const SCHEDULE_NUMBERS: Keys = { ...LINEAR, ...spaced('leading') };

/**
 * Checks the numbers that make a schedule.
 *
 * @throws UserError that names the key and the value
 */
export function checkScheduleNumbers(config: Config): void {
  for (const name of ['num_train_timesteps', 'beta_start', 'beta_end', 'trained_betas', 'steps_offset']) {
    const value = config[name];
    const { right, accepts } = SCHEDULE_NUMBERS[name];
    if (value === undefined || value === null || accepts(value)) continue;
    const got = typeof value === 'number' ? value : JSON.stringify(value).slice(0, 80);
    throw new UserError(`createSchedule: ${name} is not usable, got ${got}; it must be ${right}`);
  }
}

/**
 * Checks the values of all keys that a sampler reads.
 *
 * @throws UserError that names the key and the value
 */
export function checkSchedulerKeys(sampler: SamplerName, config: Config): void {
  const name = CLASS_OF[sampler];
  const { keys }: SchedulerClass = SCHEDULERS[name];
  for (const [key, { right, accepts }] of Object.entries(keys)) {
    const value = config[key];
    if (value === undefined || accepts(value)) continue;
    throw new UserError(
      `scheduler: ${key} ${JSON.stringify(value)} is not supported with the sampler ${sampler} (${name}); it must be ${right}`,
    );
  }
  // The network would get a quarter of ln σ for the time, which no Stable Diffusion was trained on.
  if (
    sampler === 'euler' &&
    config.timestep_type === 'continuous' &&
    config.prediction_type === 'v_prediction'
  ) {
    throw new UserError(
      'scheduler: timestep_type "continuous" is not supported with prediction_type v_prediction; it must be "discrete"',
    );
  }
  if (config.rescale_betas_zero_snr === true && !Object.hasOwn(keys, 'rescale_betas_zero_snr')) {
    throw new UserError(
      `scheduler: rescale_betas_zero_snr true is not supported with the sampler ${sampler}: ${name} has no such key; use ddim, euler, euler-ancestral, dpm-solver or unipc`,
    );
  }
  const spreads = Object.keys(SIGMAS).filter(
    (spread) => Object.hasOwn(keys, spread) && config[spread] === true,
  );
  if (spreads.length > 1) {
    throw new UserError(`scheduler: ${spreads.join(' and ')} are both true; only one of them can be`);
  }
}

/**
 * The keys of the file that its own class reads, with a value that matters, and that a sampler does not know: what is lost where
 * another sampler is chosen than the file's.
 */
export function unreadKeys(sampler: SamplerName, config: Config): string[] {
  const own = schedulerClass(config);
  if (own === undefined) return [];
  const { keys }: SchedulerClass = SCHEDULERS[CLASS_OF[sampler]];
  return Object.entries(own.keys).flatMap(([name, { default: byDefault, inert }]) => {
    const value = config[name];
    const matters = value !== undefined && value !== null && !inert && !isSame(value, byDefault);
    return matters && !Object.hasOwn(keys, name) ? [name] : [];
  });
}

/** The keys of the file that no class here knows. */
export function unknownKeys(config: Config): string[] {
  const known = new Set(Object.values(SCHEDULERS).flatMap(({ keys }) => Object.keys(keys)));
  return Object.keys(config).filter((name) => !name.startsWith('_') && !known.has(name));
}

const isSame = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
