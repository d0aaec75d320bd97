/**
 * @file The rectified flow of SD3 and Flux as a noise path, from diffusers' `scheduler_config.json` of a
 * FlowMatchEulerDiscreteScheduler.
 *
 * A level of this path is s (diffusers calls it sigma): signal 1 - s, noise s, from s = 1, pure noise, to 0. The network predicts
 * the velocity `v = ε - x0`, so that Euler's step `z' = z + (s' - s)·v` is the step of the path.
 *
 * Reference: Liu et al. 2022, "Flow Straight and Fast"; Esser et al. 2024, "Scaling Rectified Flow Transformers", section 5.3.2
 * (shift); details, with their roundings to float32, as in diffusers' FlowMatchEulerDiscreteScheduler.
 */
import { UserError } from '../errors.ts';
import type { NoisePath, SigmaSpread, StepCoefficients, StopOptions } from './noise-path.ts';
import { checkFlowKeys, flowValue } from './scheduler-keys.ts';
import { spreadOf, spreadSigmas } from './sigma-spreads.ts';

/** The keys of `scheduler_config.json` of a FlowMatchEulerDiscreteScheduler. An absent key has its default. */
export interface FlowSchedulerConfig {
  _class_name?: string;
  /** The network gets this many times s for its time. Default 1000. */
  num_train_timesteps?: number;
  /** Moves steps to where there is more noise: `s ← shift·s / (1 + (shift - 1)·s)`. Default 1. */
  shift?: number;
  /** Whether the shift comes from the size of the image instead. Default false. */
  use_dynamic_shifting?: boolean;
  /** μ of an image of `base_image_seq_len` tokens; default 0.5. */
  base_shift?: number | null;
  /** μ of an image of `max_image_seq_len` tokens; default 1.15. */
  max_shift?: number | null;
  base_image_seq_len?: number;
  max_image_seq_len?: number;
  /** Whether the dynamic shift is e^μ (`exponential`, the default) or μ itself (`linear`). */
  time_shift_type?: string;
  /** The s of the last step, to which all are stretched; default null, which leaves them. */
  shift_terminal?: number | null;
  /** Whether all noise is drawn afresh in each step. Default false. */
  stochastic_sampling?: boolean;
  [key: string]: unknown;
}

/**
 * Whose s the shift is applied to: those between the largest and the smallest of the scheduler's own timesteps, which are shifted
 * already (`timesteps`, as the pipeline of SD3 does), or 1 to 1/steps (`even`, as that of Flux).
 */
export type FlowSigmas = 'timesteps' | 'even';

export interface FlowPathOptions {
  /** Default `timesteps`: what the scheduler does by itself. */
  readonly sigmas?: FlowSigmas;
}

/**
 * Builds the path of a rectified flow. Levels are rounded to float32, as diffusers has them.
 *
 * @param config diffusers' `scheduler_config.json`
 * @param imageTokens number of tokens of the image after patches are packed (1024 for 512 x 512 pixels), for a dynamic shift
 * @throws UserError for a value that is not honoured, or out of range
 */
export function createFlowPath(
  config: FlowSchedulerConfig,
  imageTokens: number,
  { sigmas: given = 'timesteps' }: FlowPathOptions = {},
): NoisePath {
  checkFlowKeys(config);
  const trained = Number(flowValue(config, 'num_train_timesteps'));
  const shift = flowShift(config, imageTokens);
  const levelOfRatio = (ratio: number) => 1 / (1 + 1 / ratio);
  return {
    kind: 'rectified-flow',
    config,
    predicts: 'velocity',
    level: (timestep) => timestep / trained,
    levelOfRatio,
    timestepOfRatio: (ratio) => trained * levelOfRatio(ratio),
    signal: (s) => 1 - s,
    noise: (s) => s,
    cleanLatent: (s) => ({ latent: 1, prediction: -s }),
    noisePart: (s) => ({ latent: 1, prediction: 1 - s }),
    step: flowStep,
    // dz/ds = v
    ode: {
      scale: () => 1,
      time: (s) => s,
      slope: () => ({ latent: 0, prediction: 1 }),
      level: (time) => time,
    },
    stops(steps, options = {}) {
      checkStops(steps, trained, options);
      const shifted = terminal(
        config,
        shift(given === 'even' ? evenSigmas(steps) : ownSigmas(config, steps)),
      );
      const spread = options.sigmas ?? spreadOf(config);
      const s = spread === undefined ? shifted : respread(spread, shifted);
      // UniPC weighs steps by their log-SNR, which is infinite without signal; diffusers begins it here, too.
      const largest = options.rule === 'unipc' ? 1 - LEAST_SIGNAL : 1;
      const levels = s.map((value) => Math.fround(Math.min(value, largest)));
      const timesteps = levels.map((level) => Math.fround(level * trained));
      return { timesteps, levels: [...levels, 0], startScale: 1, endScale: 1 };
    },
  };
}

/** Signal of the first stop for samplers that cannot begin without; diffusers' value. */
const LEAST_SIGNAL = 1e-6;

/**
 * The step from one s to another: Euler's, and with `eta` above 0 the one that keeps x0 and replaces that share of the noise:
 * `z' = (1 - s')·x0 + √(s'² - f²)·ε + f·fresh noise`, with DDIM's f. Latents keep the distribution of their level.
 *
 * Reference: Song et al. 2021 (DDIM), equation 16, written for σ = noise / signal.
 */
function flowStep(from: number, to: number, eta = 0): StepCoefficients {
  if (eta === 0) return { latent: 1, prediction: to - from, freshNoise: 0 };
  // σ'/σ, defined without signal at the beginning, too.
  const ratio = (to * (1 - from)) / (from * (1 - to));
  const freshNoise = eta * to * Math.sqrt(1 - ratio ** 2);
  const kept = Math.sqrt(to ** 2 - freshNoise ** 2);
  return { latent: 1 - to + kept, prediction: kept * (1 - from) - (1 - to) * from, freshNoise };
}

/** Values of s, noisiest first, and whether diffusers computes with them in float32. */
interface Sigmas {
  readonly values: readonly number[];
  /** How a result is rounded: to float32, or not at all. */
  readonly round: (value: number) => number;
}

/** numpy's float64. */
const asIs = (value: number) => value;

const evenSigmas = (steps: number): Sigmas => ({
  values: linspace(1, 1 / steps, steps).map(Math.fround),
  round: Math.fround,
});

/** Between the largest and the smallest s of the scheduler's timesteps, which the static shift has moved. */
function ownSigmas(config: FlowSchedulerConfig, steps: number): Sigmas {
  const trained = Number(flowValue(config, 'num_train_timesteps'));
  const ends: Sigmas = { values: [1, Math.fround(1 / trained)], round: Math.fround };
  const isDynamic = flowValue(config, 'use_dynamic_shifting') === true;
  const [largest, smallest] = (isDynamic ? ends : staticShift(ends, Number(flowValue(config, 'shift'))))
    .values;
  const timesteps = linspace(trained * largest, trained * smallest, steps);
  return { values: timesteps.map((timestep) => timestep / trained), round: asIs };
}

/** `count` numbers from one to another, with the roundings of numpy's linspace. */
function linspace(from: number, to: number, count: number): number[] {
  const step = (to - from) / (count - 1);
  return Array.from({ length: count }, (_, i) =>
    i > 0 && i === count - 1 ? to : i === 0 ? from : i * step + from,
  );
}

/** `s ← shift·s / (1 + (shift - 1)·s)` */
function staticShift({ values, round }: Sigmas, shift: number): Sigmas {
  const shifted = values.map((s) => round(round(round(shift) * s) / round(1 + round(round(shift - 1) * s))));
  return { values: shifted, round };
}

/** `s ← shift / (shift + (1/s - 1))`, which is the same in other roundings. */
function dynamicShift({ values, round }: Sigmas, shift: number): Sigmas {
  const rounded = round(shift);
  const shifted = values.map((s) => round(rounded / round(rounded + round(round(1 / s) - 1))));
  return { values: shifted, round };
}

/** The shift that the file asks for. @throws UserError where it depends on the image in a way that has no value */
function flowShift(config: FlowSchedulerConfig, imageTokens: number): (sigmas: Sigmas) => Sigmas {
  if (flowValue(config, 'use_dynamic_shifting') !== true) {
    const shift = Number(flowValue(config, 'shift'));
    return (sigmas) => staticShift(sigmas, shift);
  }
  const mu = dynamicMu(config, imageTokens);
  const isLinear = flowValue(config, 'time_shift_type') === 'linear';
  if (isLinear && !(mu > 0)) {
    throw new UserError(
      `scheduler: time_shift_type linear gives an image of ${imageTokens} tokens the shift ${mu.toPrecision(3)}; it must be above 0: base_shift, max_shift or the image is too small`,
    );
  }
  const shift = isLinear ? mu : Math.exp(mu);
  return (sigmas) => dynamicShift(sigmas, shift);
}

/** μ of an image: on the line through `base_shift` at `base_image_seq_len` tokens and `max_shift` at `max_image_seq_len`. */
function dynamicMu(config: FlowSchedulerConfig, imageTokens: number): number {
  const [least, most, fewest, largest] = (
    ['base_shift', 'max_shift', 'base_image_seq_len', 'max_image_seq_len'] as const
  ).map((key) => {
    const value = flowValue(config, key);
    if (typeof value === 'number') return value;
    throw new UserError(
      `scheduler: ${key} ${JSON.stringify(value)} is not supported with use_dynamic_shifting true; it must be a number`,
    );
  });
  if (fewest === largest) {
    throw new UserError(
      `scheduler: base_image_seq_len and max_image_seq_len are both ${fewest}; they must differ with use_dynamic_shifting true`,
    );
  }
  if (!(Number.isInteger(imageTokens) && imageTokens > 0)) {
    throw new RangeError(`createFlowPath: imageTokens must be a whole number above 0, got ${imageTokens}`);
  }
  const slope = (most - least) / (largest - fewest);
  return imageTokens * slope + (least - slope * fewest);
}

/** All s stretched away from 1 so that the last one is `shift_terminal`. @throws UserError for a single step, which stays at 1 */
function terminal(config: FlowSchedulerConfig, { values, round }: Sigmas): readonly number[] {
  const end = flowValue(config, 'shift_terminal');
  if (typeof end !== 'number' || end === 0) return values;
  const [last] = values.slice(-1);
  if (last === 1) {
    throw new UserError(
      `scheduler: shift_terminal ${end} is not supported with 1 step, which begins at pure noise; use 2 steps or more`,
    );
  }
  const scale = round(round(1 - last) / round(1 - end));
  return values.map((s) => round(1 - round(round(1 - s) / scale)));
}

/** As many s between the same ends, spread by another rule. */
function respread(spread: SigmaSpread, values: readonly number[]): number[] {
  return spreadSigmas(spread, values.length, values[0], values[values.length - 1]);
}

function checkStops(steps: number, trained: number, { spacing, finalNoise }: StopOptions): void {
  if (!Number.isInteger(steps) || steps < 1 || steps > trained) {
    throw new UserError(`schedule: steps must be a whole number from 1 to ${trained}, got ${steps}`);
  }
  for (const [name, value] of Object.entries({ spacing, finalNoise })) {
    if (value === undefined) continue;
    throw new UserError(
      `schedule: ${name} ${value} is not supported on a rectified flow, whose scheduler's file says where its steps are`,
    );
  }
}
