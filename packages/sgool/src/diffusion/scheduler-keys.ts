/**
 * @file What a file of a scheduler says, by the keys of its class (scheduler-classes.ts). A value that is not honoured is refused by
 * name.
 *
 * A key of the file that the sampler's class does not know is not read, as `from_config` of diffusers does when one scheduler
 * takes the configuration of another; {@link unreadKeys} names those that would have mattered.
 */
import { UserError } from '../errors.ts';
import type { PathKind } from './noise-path.ts';
import { refuseSampler, type SamplerName } from './sampler-names.ts';
import {
  FLOW_PATH,
  FLOW_SCHEDULERS,
  type Keys,
  LINEAR,
  READ_ON_FLOW,
  SCHEDULERS,
  type SchedulerClass,
  SIGMAS,
  STOCHASTIC,
  spaced,
} from './scheduler-classes.ts';

const CLASSES: Readonly<Record<PathKind, Readonly<Record<string, SchedulerClass>>>> = {
  'variance-preserving': SCHEDULERS,
  'rectified-flow': FLOW_SCHEDULERS,
};

/** Whose schedulers they are, for messages. */
const WHOSE: Readonly<Record<PathKind, string>> = {
  'variance-preserving': 'Stable Diffusion 1.x and 2.x',
  'rectified-flow': 'rectified flows',
};

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

/** The class whose keys a sampler reads on a variance-preserving path. EDICT is built on DDIM's steps, and other methods of second order on Heun's. */
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
  midpoint: 'HeunDiscreteScheduler',
  'reversible-heun': 'HeunDiscreteScheduler',
  lms: 'LMSDiscreteScheduler',
  unipc: 'UniPCMultistepScheduler',
  lcm: 'LCMScheduler',
  tcd: 'TCDScheduler',
};

type Config = Readonly<Record<string, unknown>>;

/** The class that the file names, if it has a sampler here and its path is of that kind. */
export function schedulerClass(
  { _class_name: name }: Config,
  kind: PathKind = 'variance-preserving',
): SchedulerClass | undefined {
  return typeof name === 'string' && Object.hasOwn(CLASSES[kind], name) ? CLASSES[kind][name] : undefined;
}

/** The keys that a sampler reads on a path. */
const keysOf = (sampler: SamplerName, kind: PathKind): Keys =>
  kind === 'rectified-flow' ? { ...FLOW_PATH, ...READ_ON_FLOW[sampler] } : SCHEDULERS[CLASS_OF[sampler]].keys;

/** What is wrong with a class that has no sampler here, in one line; undefined for all others, and where no class is named. */
export function unsupportedScheduler(config: Config): string | undefined {
  const name = config._class_name;
  if (name === undefined || name === null || schedulerClass(config)) return undefined;
  const nearest = typeof name === 'string' && Object.hasOwn(NEAREST, name) ? NEAREST[name] : undefined;
  return nearest === undefined
    ? undefined
    : `the model's scheduler, ${name}, has no sampler here; ${nearest} comes nearest`;
}

/** @throws UserError for a class whose path is not of that kind, or is not known */
export function refuseForeignScheduler(config: Config, kind: PathKind = 'variance-preserving'): void {
  const name = config._class_name;
  if (name === undefined || name === null || schedulerClass(config, kind)) return;
  if (kind === 'variance-preserving' && unsupportedScheduler(config)) return;
  throw new UserError(
    `scheduler: ${JSON.stringify(name)} is not a scheduler of ${WHOSE[kind]}; put one of ${Object.keys(CLASSES[kind]).join(', ')} into scheduler/scheduler_config.json`,
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

/** A key's value for the path of a rectified flow, or for Euler's sampler on it: the file's, else its default. */
export function flowValue(config: Config, name: string): unknown {
  const { keys }: SchedulerClass = FLOW_SCHEDULERS.FlowMatchEulerDiscreteScheduler;
  const byDefault = keys[name].default;
  const value = config[name];
  return value === undefined || (value === null && typeof byDefault === 'boolean') ? byDefault : value;
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
 * Checks the values of all keys that a sampler reads, and that it works on such a path.
 *
 * @throws UserError that names the key and the value
 */
export function checkSchedulerKeys(
  sampler: SamplerName,
  config: Config,
  kind: PathKind = 'variance-preserving',
): void {
  refuseSampler(sampler, kind);
  const keys = keysOf(sampler, kind);
  const owner = kind === 'variance-preserving' ? ` (${CLASS_OF[sampler]})` : ' on a rectified flow';
  checkKeys(keys, config, ` with the sampler ${sampler}${owner}`);
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
      `scheduler: rescale_betas_zero_snr true is not supported with the sampler ${sampler}: ${CLASS_OF[sampler]} has no such key; use ddim, euler, euler-ancestral, dpm-solver or unipc`,
    );
  }
}

/**
 * Checks the values of all keys that the path of a rectified flow reads.
 *
 * @throws UserError that names the key and the value
 */
export function checkFlowKeys(config: Config): void {
  checkKeys({ ...FLOW_PATH, ...STOCHASTIC }, config, ' on a rectified flow');
}

function checkKeys(keys: Keys, config: Config, where: string): void {
  for (const [key, { right, accepts }] of Object.entries(keys)) {
    const value = config[key];
    if (value === undefined || accepts(value)) continue;
    throw new UserError(
      `scheduler: ${key} ${JSON.stringify(value)} is not supported${where}; it must be ${right}`,
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
export function unreadKeys(
  sampler: SamplerName,
  config: Config,
  kind: PathKind = 'variance-preserving',
): string[] {
  const own = schedulerClass(config, kind);
  if (own === undefined) return [];
  const keys = keysOf(sampler, kind);
  return Object.entries(own.keys).flatMap(([name, { default: byDefault, inert }]) => {
    const value = config[name];
    const matters = value !== undefined && value !== null && !inert && !isSame(value, byDefault);
    return matters && !Object.hasOwn(keys, name) ? [name] : [];
  });
}

/** The keys of the file that no class of that kind of path knows. */
export function unknownKeys(config: Config, kind: PathKind = 'variance-preserving'): string[] {
  const ofClasses = Object.values(CLASSES[kind]).map(({ keys }): Keys => keys);
  const ofSamplers = kind === 'rectified-flow' ? Object.values(READ_ON_FLOW) : [];
  const known = new Set([...ofClasses, ...ofSamplers].flatMap((keys) => Object.keys(keys)));
  return Object.keys(config).filter((name) => !name.startsWith('_') && !known.has(name));
}

const isSame = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
