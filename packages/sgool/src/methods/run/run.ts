/** @file What every method begins with: the settings of a request, the seed and its noise, a clock and counters. */

import type { Denoiser } from '../../diffusion/denoiser.ts';
import { type FreshNoise, fixedNoise } from '../../diffusion/fresh-noise.ts';
import type { Sampler } from '../../diffusion/sampler.ts';
import {
  freshNoiseCount,
  type NamedSamplerOptions,
  namedSampler,
} from '../../diffusion/samplers/named-sampler.ts';
import type { StepInfo } from '../../diffusion/trajectory.ts';
import { NotFiniteError, UserError } from '../../errors.ts';
import type { DenoiserOptions, MaskedImage } from '../../models/backbone.ts';
import { rescheduledNoise } from '../../models/free-noise.ts';
import { product } from '../../numbers.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { type ClipTarget, clipTarget } from '../../preference/clip-target.ts';
import { noiseTests } from '../../random/noise-tests.ts';
import { type RandomSource, randomSource } from '../../random/random-source.ts';
import { laterSeed, resolveSeed, type Seed } from '../../random/seed.ts';
import { readBudget } from '../../request/budget.ts';
import type { ParsedRequest } from '../../request/request.ts';
import { skipLayerGuidanceOf } from '../../request/resolve.ts';
import type { DifferentiationSettings } from '../../request/settings/differentiation.ts';
import type { MethodSettings } from '../../request/settings/index.ts';
import type { SamplingSettings } from '../../request/settings/sampling.ts';
import type { SelectionSettings } from '../../request/settings/selection.ts';
import { heldState, type Stateful } from '../../state.ts';
import { parsePrompt } from '../../text/prompt/prompt.ts';
import { drawFrameNoise } from './frame-noise.ts';
import type { Iteration, MethodState, RunOptions, StepProgress } from './iteration.ts';
import { createSpending, flopsSince, type Spending } from './spending.ts';

export interface Run<S extends MethodSettings = MethodSettings> {
  /** Name of the method, for messages. */
  readonly method: string;
  readonly request: ParsedRequest;
  readonly settings: S;
  /** What critics compare its images with: the prompt without weights and tags, or another text; target images. */
  readonly target: ClipTarget;
  readonly seed: Seed;
  /** The stream that the noise was drawn from; perturbations and cutouts are drawn from it next. */
  readonly random: RandomSource;
  /** The starting noise: torch's normal numbers for the seed, as float64, or the noise that the run was given. */
  readonly noise: Float64Array;
  /**
   * The noise that stochastic samplers add between steps: drawn once, from the same stream right after `noise`, and the same in
   * every iteration, so that the image is a function of the starting noise alone. Undefined for all other samplers.
   */
  readonly freshNoise?: FreshNoise;
  readonly evaluations: { forward: number; pullback: number };
  /** What the run has spent of its budget. */
  readonly spending: Spending;
  /** The image around what is painted, for a model that paints masks. */
  readonly maskedImage?: MaskedImage;
  readonly signal?: AbortSignal;
  /**
   * The iterations that are left, each begun when the caller asks for it. Between two of them the state of the run is handed to
   * `onState`; a run that goes on from a state begins with it. They end early where the budget does not hold another one.
   *
   * @param parts what the method remembers from one iteration to the next. Everything that they are made from must exist by then; random
   *   numbers, counters and the clock of the run are added.
   * @param range index of the first and of the last iteration. Default: from the plain image to the last one of the settings
   */
  iterations(
    parts: Readonly<Record<string, Stateful>>,
    range?: { readonly first: number; readonly last: number },
  ): AsyncGenerator<number>;
  /** What the state that the run goes on from holds of a part; undefined where there is none. */
  resumed(part: string): unknown;
  /** Whether nothing is computed, so that the most is assumed of what a real run would find. The caller of the run is told that it was. */
  assumesMost(): boolean;
  /** Tells the user what was found, in one line. */
  note(text: string): void;
  /** For `onStep` of samplers and trajectories. */
  stepReporter(
    phase: StepProgress['phase'],
    iteration: number,
  ): (info: Pick<StepInfo, 'step' | 'steps'>) => void;
  /** Whether no iteration follows this one, whose image was reported: by their number, or by the budget. */
  isLast(iteration: number): boolean;
  /** How much of the run is over before an iteration, by number or by budget: 0 to 1. */
  shareBefore(iteration: number): number;
  /**
   * Completes an iteration: counters, clock, tests of the noise. Call it when the image exists, once per iteration.
   *
   * @param parts.isNoise whether the latent is noise, as it is by default, or a later latent
   */
  report(
    parts: Omit<Iteration, 'evaluations' | 'seconds' | 'iterations' | 'seed' | 'noiseTests'> & {
      seed?: Seed;
      isNoise?: boolean;
    },
  ): Iteration;
}

/** What a run is begun with. */
export interface RunStart<S extends MethodSettings> extends RunOptions {
  readonly method: string;
  readonly request: ParsedRequest;
  readonly settings: S;
  /** Index of the last iteration, if the settings do not say it. */
  readonly lastIteration?: number;
}

/** The text that critics read: the one for CLIP, else the prompt without weights and tags. */
export const criticText = (
  prompt: string,
  { clipPrompt, promptSyntax, steps }: Pick<MethodSettings, 'clipPrompt' | 'promptSyntax' | 'steps'>,
): string => clipPrompt || parsePrompt(prompt, promptSyntax, steps).text;

/** Begins a run: draws its noise and starts its clock. @throws RangeError where a given noise has another size */
export function beginRun<S extends MethodSettings>(
  pipeline: Pick<Pipeline, 'latentShape' | 'noisePath' | 'meter' | 'model'>,
  {
    method,
    request,
    settings,
    lastIteration,
    signal,
    dryRun,
    onStep,
    onNote,
    noise: given,
    state,
    onState,
  }: RunStart<S>,
): Run<S> {
  refuseOtherState(method, request.seed, state);
  let started = performance.now();
  let reported = started;
  const seed = state?.seed ?? resolveSeed(request.seed);
  const random = randomSource(settings.rng, seed);
  const evaluations = { forward: 0, pullback: 0 };
  const budget = settings.budget ? readBudget(settings.budget) : undefined;
  const spending = createSpending(budget, {
    calls: () => evaluations.forward + evaluations.pullback,
    flops: flopsSince(pipeline.meter, budget),
    s: () => (performance.now() - started) / 1000,
  });
  const iterations = lastIteration ?? settings.iterations ?? 0;
  /** Until the first iterations begin, which go on from it. */
  let left = state;
  /** The last iteration of a part of the run that neither the settings nor the budget end. */
  let end: number | undefined;
  const shape = pipeline.latentShape(settings);
  const drawn = drawNoise(pipeline, settings, random);
  const noise = given ?? drawn;
  if (noise.length !== drawn.length) {
    throw new RangeError(
      `${method}: the given noise has ${noise.length} values; for ${shape.join('x')} it must have ${drawn.length}`,
    );
  }
  return {
    method,
    request,
    settings,
    target: clipTarget(criticText(request.prompt, settings), request.targetImages, settings.textWeight),
    seed,
    random,
    noise,
    freshNoise: drawFreshNoise(pipeline, settings, noise.length, random),
    evaluations,
    spending,
    signal,
    assumesMost() {
      dryRun?.onMost?.();
      return dryRun !== undefined;
    },
    note: (text) => onNote?.(text),
    stepReporter:
      (phase, iteration) =>
      ({ step, steps }) => {
        const isForward = phase !== 'invert' && phase !== 'gradient';
        const done = isForward ? step + 1 : steps - step;
        const last = end ?? spending.lastIteration(iteration - 1, iterations);
        onStep?.({ iteration, iterations: last, phase, step: done, steps });
      },
    isLast: (iteration) => iteration >= iterations || spending.isOver(),
    shareBefore: (iteration) => Math.max(iteration / Math.max(1, iterations), spending.share()),
    resumed: (part) => state?.parts[part],
    async *iterations(parts, range) {
      const all: Readonly<Record<string, Stateful>> = {
        ...parts,
        random,
        evaluations: heldState(
          () => ({ ...evaluations }),
          (counts: typeof evaluations) => Object.assign(evaluations, counts),
        ),
        seconds: heldState(
          () => (performance.now() - started) / 1000,
          (seconds: number) => {
            started = performance.now() - 1000 * seconds;
          },
        ),
        ...(budget && { spending }),
      };
      end = range?.last;
      const begun = left;
      left = undefined;
      if (begun) for (const [name, part] of Object.entries(all)) part.restore(begun.parts[name]);
      const first = begun?.iteration ?? range?.first ?? 0;
      for (let iteration = first; iteration <= (end ?? iterations); iteration++) {
        const isBegun = iteration > (begun?.iteration ?? 0);
        if (isBegun && range === undefined && spending.isOver()) return;
        if (isBegun && onState) {
          const states = Object.entries(all).map(([name, part]) => [name, part.state()]);
          await onState({ method, seed, iteration, parts: Object.fromEntries(states) });
        }
        yield iteration;
      }
    },
    report({ isNoise = true, ...parts }) {
      const now = performance.now();
      const seconds = { iteration: (now - reported) / 1000, total: (now - started) / 1000 };
      reported = now;
      spending.note();
      const last = end ?? spending.lastIteration(parts.iteration, iterations);
      return {
        seed,
        ...parts,
        ...(isNoise && { noiseTests: noiseTests(parts.latent, shape) }),
        iterations: last,
        evaluations: { ...evaluations },
        seconds,
      };
    },
  };
}

/** @throws UserError where the state is that of another run */
export function refuseOtherState(
  method: string,
  seed: Seed | undefined,
  state: MethodState | undefined,
): void {
  if (!state) return;
  if (state.method !== method) {
    throw new UserError(`${method}: cannot go on from the state of a run of ${state.method}`);
  }
  if (seed !== undefined && seed !== -1 && resolveSeed(seed) !== state.seed) {
    throw new UserError(
      `${method}: cannot go on from the state of a run with seed ${state.seed}, got seed ${seed}`,
    );
  }
}

/**
 * The sampler that the settings name.
 *
 * @param options the fresh noise of the run, which stochastic samplers need; and where the chain begins
 */
export function samplerOf(
  { noisePath }: Pick<Pipeline, 'noisePath'>,
  settings: SamplingSettings & Partial<Pick<DifferentiationSettings, 'edictOutput'>>,
  options?: NamedSamplerOptions,
): Sampler {
  return namedSampler(noisePath(settings), { edictOutput: 'both', ...settings }, options);
}

/** What the network of a run is asked for. */
export function denoiserOptionsOf(
  pipeline: Pick<Pipeline, 'noisePath'>,
  run: Omit<Run<SamplingSettings>, 'stepReporter' | 'report'>,
): DenoiserOptions {
  const { request, settings, freshNoise, maskedImage, evaluations } = run;
  const { timesteps } = samplerOf(pipeline, settings, { freshNoise });
  const skipLayerGuidance = skipLayerGuidanceOf(settings);
  return { ...request, ...settings, timesteps, skipLayerGuidance, maskedImage, evaluations };
}

/** The network of a run under its prompts. */
export function denoiserOf(
  pipeline: Pick<Pipeline, 'denoiser' | 'noisePath'>,
  run: Omit<Run<SamplingSettings>, 'stepReporter' | 'report'>,
  changes: Partial<Pick<DenoiserOptions, 'prompt' | 'guidanceScale'>> = {},
): Promise<Denoiser> {
  return pipeline.denoiser({ ...denoiserOptionsOf(pipeline, run), ...changes });
}

/**
 * Draws the noise that a stochastic sampler adds between its steps; nothing for the others.
 *
 * @param startIndex first step that runs: the first draw is its. Default 0
 */
export function drawFreshNoise(
  { noisePath }: Pick<Pipeline, 'noisePath'>,
  settings: SamplingSettings,
  length: number,
  random: RandomSource,
  startIndex = 0,
): FreshNoise | undefined {
  const draws = freshNoiseCount(noisePath(settings), settings);
  if (draws === 0) return undefined;
  const skipped = (draws / settings.steps) * startIndex;
  const drawn = fixedNoise(draws - skipped, length, (count) => random.randn([count]));
  return skipped === 0 ? drawn : (step, wanted) => drawn(step - skipped, wanted);
}

/** The noise that a picture or a clip begins with. */
export function drawNoise(
  { model, latentShape }: Pick<Pipeline, 'model' | 'latentShape'>,
  settings: SamplingSettings,
  random: RandomSource,
): Float64Array {
  const shape = latentShape(settings);
  const drawn = drawFrameNoise(random, shape, settings.sharedNoise);
  return rescheduledNoise(drawn, shape, model.motion?.windows, random);
}

/**
 * Draws normal numbers that are added to the noise of a run. Those of a whole clip are drawn as its noise itself is: what its frames share stays
 * shared, and windows of frames stay alike.
 */
export function clipNoise(
  pipeline: Pick<Pipeline, 'model' | 'latentShape'>,
  { settings, random }: Pick<Run<SamplingSettings>, 'settings' | 'random'>,
): (count: number) => ArrayLike<number> {
  const whole = product(pipeline.latentShape(settings));
  return (count) =>
    settings.frames > 1 && count === whole ? drawNoise(pipeline, settings, random) : random.randn([count]);
}

/** What plain generation draws for the seed `count` behind that of the run. */
export function drawLaterSeed(
  pipeline: Pick<Pipeline, 'latentShape' | 'noisePath' | 'model'>,
  { seed: first, settings }: Pick<Run<SamplingSettings>, 'seed' | 'settings'>,
  count: number,
): { readonly seed: Seed; readonly noise: Float64Array; readonly freshNoise?: FreshNoise } {
  const seed = laterSeed(first, count);
  const random = randomSource(settings.rng, seed);
  const noise = drawNoise(pipeline, settings, random);
  return { seed, noise, freshNoise: drawFreshNoise(pipeline, settings, noise.length, random) };
}

/** What images are selected by, the highest being the best: the score of the CLIP that guides. NaN where the model lacks it. */
export function selectionScore({ clip }: Pick<Iteration, 'clip'>): number {
  return clip.A ?? Number.NaN;
}

/** The loss by which the images of a run are compared. */
function comparedLoss(loss: Iteration['loss']): number {
  return loss?.compared ?? loss?.total ?? Number.NaN;
}

/** What an image is selected by. */
interface Judged extends Pick<Iteration, 'loss' | 'clip'> {
  /** Its score by the objective; more is better. */
  readonly objective?: number;
}

/** Tells whether an image is better than the best so far. Its state is the lowest cost. */
export interface BestKeeper extends Stateful<number | undefined> {
  isBest(iteration: Judged): boolean;
}

/** Whether an image is better than the best so far, by the rule in the settings. The first one always is. */
export function bestKeeper(keep: SelectionSettings['keep']): BestKeeper {
  let lowest: number | undefined;
  return {
    isBest(image) {
      const cost = costOf(image, keep);
      const isBest = keep === 'last' || lowest === undefined || cost < lowest;
      if (isBest) lowest = Number.isNaN(cost) ? Number.POSITIVE_INFINITY : cost;
      return isBest;
    },
    ...heldState<number | undefined>(
      () => lowest,
      (state) => {
        lowest = state;
      },
    ),
  };
}

function costOf({ loss, clip, objective = Number.NaN }: Judged, keep: SelectionSettings['keep']): number {
  if (keep === 'clip') return -selectionScore({ clip });
  return keep === 'objective' ? -objective : comparedLoss(loss);
}

/** Tells when a run ends before its last iteration. Its state is the lowest cost, and for how long none was lower. */
export interface StopRule extends Stateful<StopState> {
  /** Call it once per iteration. */
  isEnough(iteration: Pick<Iteration, 'loss' | 'clip' | 'objective'>): boolean;
}

interface StopState {
  readonly lowest: number;
  readonly waited: number;
}

/** Whether a run ends before its last iteration, by the rules in the settings. */
export function stopRule({
  keep,
  patience,
  minImprovement,
  targetClip,
}: Pick<SelectionSettings, 'keep' | 'patience' | 'minImprovement' | 'targetClip'>): StopRule {
  let lowest = Number.POSITIVE_INFINITY;
  let waited = 0;
  return {
    isEnough({ loss, clip, objective = Number.NEGATIVE_INFINITY }) {
      const cost = keep === 'objective' ? -objective : loss ? comparedLoss(loss) : Number.POSITIVE_INFINITY;
      waited = cost < lowest - minImprovement ? 0 : waited + 1;
      if (waited === 0) lowest = cost;
      return (patience > 0 && waited >= patience) || (targetClip < 100 && (clip.A ?? -100) >= targetClip);
    },
    ...heldState<StopState>(
      () => ({ lowest, waited }),
      (state) => {
        ({ lowest, waited } = state);
      },
    ),
  };
}

/**
 * Runs a part of an iteration, so that an error in it names the method and the iteration.
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
    throw stoppedIn(method, iteration, error);
  }
}

/** An error with the method and the iteration that it stopped. */
export function stoppedIn(method: string, iteration: number, cause: UserError): UserError {
  return new UserError(`${method}: stopped in iteration ${iteration}: ${cause.message}`, { cause });
}

/** @throws NotFiniteError where a value is not finite */
export function assertFinite(what: string, values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    throw new NotFiniteError(`${what} holds ${values[i]} at index ${i}; every value must be finite`);
  }
}
