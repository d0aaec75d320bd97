/** @file What every method begins with: a checked request, its settings, the seed and its noise, a clock and counters. */
import { type FreshNoise, fixedNoise } from '../../diffusion/fresh-noise.ts';
import type { Sampler } from '../../diffusion/sampler.ts';
import { isStochastic, namedSampler } from '../../diffusion/samplers/named-sampler.ts';
import type { StepInfo } from '../../diffusion/trajectory.ts';
import { UserError } from '../../errors.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { Generator } from '../../random/generator.ts';
import { resolveSeed } from '../../random/seed.ts';
import {
  type GenerationRequest,
  type ParsedRequest,
  parseRequest,
  type Settings,
} from '../../request/request.ts';
import { resolveSettings } from '../../request/settings.ts';
import type { Iteration, Method, RunOptions, StepProgress } from './method.ts';

export interface Run {
  readonly request: ParsedRequest;
  readonly settings: Settings;
  readonly seed: number;
  /** The stream that the noise was drawn from; perturbations and cutouts are drawn from it next. */
  readonly random: Generator;
  /** The starting noise: torch's normal numbers for the seed, as float64. */
  readonly noise: Float64Array;
  /**
   * What stochastic samplers add between steps: drawn once, from the same stream right after `noise`, and the same in every
   * iteration, so that the image is a function of the starting noise alone. Undefined for all other samplers.
   */
  readonly freshNoise?: FreshNoise;
  readonly evaluations: { forward: number; pullback: number };
  readonly signal?: AbortSignal;
  /** For `onStep` of samplers and trajectories. */
  stepReporter(phase: StepProgress['phase'], iteration: number): (info: StepInfo) => void;
  /** Completes an iteration: counters and clock. Call it when the image is there, once per iteration. */
  report(
    parts: Omit<Iteration, 'evaluations' | 'seconds' | 'iterations' | 'seed'> & { seed?: number },
  ): Iteration;
}

/**
 * Begins a run.
 *
 * @throws UserError where the request is not usable
 */
export function beginRun(
  method: Pick<Method, 'name' | 'defaults'>,
  pipeline: Pipeline,
  input: GenerationRequest,
  { signal, onStep }: RunOptions = {},
  iterations?: number,
): Run {
  const started = performance.now();
  let reported = started;
  const request = parseRequest({ ...input, method: method.name });
  const settings = settingsOf(method, pipeline, request);
  const seed = resolveSeed(request.seed);
  const random = new Generator(seed);
  const evaluations = { forward: 0, pullback: 0 };
  const last = iterations ?? settings.iterations;
  const noise = Float64Array.from(random.randn(pipeline.latentShape(settings)));
  return {
    request,
    settings,
    seed,
    random,
    noise,
    freshNoise: drawFreshNoise(settings, noise.length, random),
    evaluations,
    signal,
    stepReporter:
      (phase, iteration) =>
      ({ step, steps }) => {
        const done = phase === 'denoise' ? step + 1 : steps - step;
        onStep?.({ iteration, iterations: last, phase, step: done, steps });
      },
    report(parts) {
      const now = performance.now();
      const seconds = { iteration: (now - reported) / 1000, total: (now - started) / 1000 };
      reported = now;
      return { seed, ...parts, iterations: last, evaluations: { ...evaluations }, seconds };
    },
  };
}

/** The settings that a method runs with for a request. */
export function settingsOf(
  method: Pick<Method, 'name' | 'defaults'>,
  { model }: Pick<Pipeline, 'model'>,
  request: ParsedRequest,
): Settings {
  return resolveSettings(method.defaults(model, request.preset), request, model);
}

/**
 * The sampler that the settings name.
 *
 * @param freshNoise of the run; stochastic samplers need it
 */
export function samplerOf(
  { noisePath }: Pick<Pipeline, 'noisePath'>,
  settings: Settings,
  freshNoise?: FreshNoise,
): Sampler {
  return namedSampler(noisePath(settings), settings, freshNoise);
}

/** Draws what a stochastic sampler adds between its steps; nothing for the others. */
export function drawFreshNoise(
  settings: Settings,
  length: number,
  random: Generator,
): FreshNoise | undefined {
  if (!isStochastic(settings)) return undefined;
  return fixedNoise(settings.steps, length, (count) => random.randn([count]));
}

/** Whether an image is better than the best so far, by the rule in the settings. The first one always is. */
export function bestKeeper(keep: Settings['keep']): (iteration: Pick<Iteration, 'loss' | 'clip'>) => boolean {
  let lowest: number | undefined;
  return ({ loss, clip }) => {
    const cost = keep === 'clip' ? -(clip.A ?? Number.NaN) : (loss?.total ?? Number.NaN);
    const isBest = keep === 'last' || lowest === undefined || cost < lowest;
    if (isBest) lowest = Number.isNaN(cost) ? Number.POSITIVE_INFINITY : cost;
    return isBest;
  };
}

/** Whether a run has come to its end before its last iteration, by the rules in the settings. To be asked of every iteration. */
export function stopRule({
  patience,
  minImprovement,
  targetClip,
}: Pick<Settings, 'patience' | 'minImprovement' | 'targetClip'>): (
  iteration: Pick<Iteration, 'loss' | 'clip'>,
) => boolean {
  let lowest = Number.POSITIVE_INFINITY;
  let waited = 0;
  return ({ loss, clip }) => {
    const total = loss?.total ?? Number.POSITIVE_INFINITY;
    waited = total < lowest - minImprovement ? 0 : waited + 1;
    if (waited === 0) lowest = total;
    return (patience > 0 && waited >= patience) || (targetClip < 100 && (clip.A ?? -100) >= targetClip);
  };
}

/**
 * Runs a part of an iteration so that a number that is not finite ends the run with a line that names the iteration.
 *
 * @throws UserError as `part` does, with method and iteration in front
 */
export async function withinIteration<T>(
  method: string,
  iteration: number,
  part: () => Promise<T>,
): Promise<T> {
  try {
    return await part();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${method}: stopped in iteration ${iteration}: ${error.message}`, { cause: error });
  }
}

/** @throws UserError where a value is not finite */
export function assertFinite(what: string, values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    throw new UserError(`${what} holds ${values[i]} at index ${i}; every value must be finite`);
  }
}
