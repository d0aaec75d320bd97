/**
 * @file The scorers of a run's objective, their weights and their scales.
 *
 * Scores have scales of their own: 100·cos of a CLIP moves by 2 between two images of a prompt, HPS by 0.02. So the loss of each scorer
 * is divided by its spread over plain images of the prompt, relative to the spread of the first scorer:
 *
 *     L = Σ w_k / u_k · loss_k        u_k = σ_k / σ_1
 *
 * σ_k is the standard deviation of loss_k of whole images from the seeds behind that of the run. The first scorer keeps its own scale, so
 * that what depends on the size of a gradient stays right, and an objective of one scorer is not changed at all.
 */
import { sample } from '../../diffusion/trajectory.ts';
import { UserError } from '../../errors.ts';
import type { Image } from '../../image/image.ts';
import { mean, sampleDeviation } from '../../numbers.ts';
import type { ClipScores, Pipeline } from '../../pipeline/pipeline.ts';
import type { Guide, ObjectiveScorer } from '../../preference/guide.ts';
import { type ObjectiveItem, parseObjective } from '../../request/objective-text.ts';
import type { ObjectiveSettings } from '../../request/settings/objective.ts';
import type { SamplingSettings } from '../../request/settings/sampling.ts';
import type { SelectionSettings } from '../../request/settings/selection.ts';
import { MODEL_CLIP } from '../../request/wanted-scorer.ts';
import { heldState, type Stateful } from '../../state.ts';
import { fitNotes } from '../../text/fit-notes.ts';
import { decodeFrames } from './frames.ts';
import { denoiserOf, drawLaterSeed, type Run, samplerOf, withinIteration } from './run.ts';

/** A scorer of a run. */
export interface RunScorer extends ObjectiveItem {
  readonly source: ObjectiveScorer;
}

/** The objective's score of an image: minus its loss of the whole image, and what each scorer says. */
export interface ObjectiveScore {
  /** More is better. */
  readonly total: number;
  /** Scores by the names of the scorers. */
  readonly scores: Readonly<Record<string, number>>;
}

type KnownScores = Readonly<Record<string, number | undefined>>;

/** The scorers of a run. */
export interface RunScorers {
  readonly items: readonly RunScorer[];
  /** The scales u_k; measured with the first call. */
  units(): Promise<readonly number[]>;
  /** The scales, so that a run that goes on need not measure them again. */
  readonly memory: Stateful;
  /**
   * The mean over the frames, by the scorers of `selector` where there are some.
   *
   * @param known scores of each frame that are known already, by name
   */
  score(frames: readonly Image[], known?: readonly KnownScores[]): Promise<ObjectiveScore>;
}

type ScoredRun = Run<
  SamplingSettings & ObjectiveSettings & Partial<Pick<SelectionSettings, 'selector' | 'keep'>>
>;

/**
 * Opens the scorers of a run.
 *
 * @throws UserError where one is missing or broken
 */
export async function runScorers(pipeline: Pipeline, run: ScoredRun): Promise<RunScorers> {
  const { objective, selector = '' } = run.settings;
  const guiding = await scorersOf(pipeline, run, objective);
  const selecting = selector === '' ? guiding : await scorersOf(pipeline, run, selector);
  noteFits([...guiding.items, ...selecting.items], run);
  noteWholes(selecting, run);
  if (selecting === guiding) return guiding;
  return {
    ...guiding,
    score: selecting.score,
    memory: heldState<readonly [unknown, unknown]>(
      () => [guiding.memory.state(), selecting.memory.state()],
      ([guides, selects]) => {
        guiding.memory.restore(guides);
        selecting.memory.restore(selects);
      },
    ),
  };
}

/** The scorers of an objective. */
async function scorersOf(pipeline: Pipeline, run: ScoredRun, objective: string): Promise<RunScorers> {
  const { spreadPictures } = run.settings;
  const parsed = parseObjective(objective);
  const sources = await pipeline.scorers(parsed);
  const items = parsed.map((item, k) => ({ ...item, source: sources[k] }));
  const areAlike = new Set(items.map(({ name }) => name)).size === 1;
  let units: readonly number[] | undefined =
    areAlike || spreadPictures === 0 ? items.map(() => 1) : undefined;

  async function scoresOf(image: Image, known: KnownScores = {}) {
    const scores: Record<string, number> = {};
    for (const { name, source } of items) {
      run.signal?.throwIfAborted();
      scores[name] ??= known[name] ?? (await source.score(image, run.target, run.signal));
    }
    return scores;
  }
  const lossesOf = (scores: Readonly<Record<string, number>>) =>
    items.map(({ name, source }) => source.lossOf(scores[name]));

  /** Scores and losses, each the mean over the frames. */
  async function judged(frames: readonly Image[], known: readonly KnownScores[] = []) {
    const all: Record<string, number>[] = [];
    for (const [f, frame] of frames.entries()) all.push(await scoresOf(frame, known[f]));
    const names = Object.keys(all[0]);
    const meanOf = (name: string) => mean(all.map((scores) => scores[name]));
    const losses = all.map(lossesOf);
    return {
      scores: Object.fromEntries(names.map((name) => [name, meanOf(name)])),
      losses: items.map((_, k) => mean(losses.map((own) => own[k]))),
    };
  }

  const scorers: RunScorers = {
    items,
    async units() {
      if (units === undefined) {
        const losses: number[][] = [];
        for await (const frames of plainImages(pipeline, run)) losses.push((await judged(frames)).losses);
        units = relativeSpreads(losses);
      }
      return units;
    },
    memory: heldState<readonly number[] | undefined>(
      () => units,
      (state) => {
        units = state;
      },
    ),
    async score(frames, known) {
      const scales = await scorers.units();
      const { scores, losses } = await judged(frames, known);
      const total = -items.reduce((sum, { weight }, k) => sum + (weight / scales[k]) * losses[k], 0);
      return { total, scores };
    },
  };
  return scorers;
}

/** Names scorers of regions that also select: images are selected as wholes. */
function noteWholes({ items }: RunScorers, { settings: { keep = 'objective' }, note }: ScoredRun): void {
  if (keep !== 'objective') return;
  for (const { name, place } of items) {
    if (place === 'regions') note(`objective: ${name}@regions sees the whole image where it selects`);
  }
}

/** Names what scorers do not read of the text. What the model's own CLIP does not read is said where the model is opened. */
function noteFits(items: readonly RunScorer[], { target, note }: ScoredRun): void {
  const named = new Map(items.map(({ name, source }) => [name, source]));
  for (const [name, { fit }] of named) {
    if (name === MODEL_CLIP || fit === undefined) continue;
    for (const line of fitNotes('prompt', name, fit(target.text))) note(line);
  }
}

/** What a run's scorers say of an image that is to be selected. */
export interface Selection {
  readonly objective?: number;
  readonly scores?: Readonly<Record<string, number>>;
  /** Of a scorer that failed: to be thrown when the image was given out. */
  readonly failure?: UserError;
}

/**
 * The score of an image by which it is selected; nothing where `keep` says something else. A scorer that fails ends the run,
 * but not before the image was given out.
 */
export async function selection(
  scorers: RunScorers,
  keep: SelectionSettings['keep'],
  frames: readonly Image[],
  frameScores: readonly ClipScores[],
): Promise<Selection> {
  if (keep !== 'objective') return {};
  try {
    const { total, scores } = await scorers.score(
      frames,
      frameScores.map(({ A }) => ({ [MODEL_CLIP]: A })),
    );
    return { objective: total, scores };
  } catch (failure) {
    if (!(failure instanceof UserError)) throw failure;
    return { failure };
  }
}

/** Plain images of the run's prompt from the seeds behind its own, as `best-of` makes them; clips as their frames. */
async function* plainImages(pipeline: Pipeline, run: ScoredRun): AsyncGenerator<readonly Image[]> {
  const { settings, signal } = run;
  const denoiser = await denoiserOf(pipeline, run);
  for (let k = 1; k <= settings.spreadPictures; k++) {
    const { noise, freshNoise } = drawLaterSeed(pipeline, run, k);
    const sampler = samplerOf(pipeline, settings, { freshNoise });
    const [final] = await withinIteration(run.method, 0, () =>
      sample(sampler, denoiser, noise, { signal, onStep: run.stepReporter('denoise', 0) }),
    );
    yield decodeFrames(pipeline, run, final, 0);
  }
}

/**
 * The spread of each loss over that of the first, from the losses of several images. A loss that does not move among them has no scale;
 * it keeps its own.
 */
export function relativeSpreads(losses: readonly (readonly number[])[]): number[] {
  const spreads = losses[0].map((_, k) => sampleDeviation(losses.map((all) => all[k])));
  const [first] = spreads;
  return spreads.map((spread) => (spread > 0 && first > 0 ? spread / first : 1));
}

/** A scorer that guides. */
export interface GuidingScorer extends RunScorer {
  readonly guide: Guide;
}

/**
 * The scorers of a run that follows their gradients.
 *
 * @param hasRegions whether the method has salient regions
 * @throws UserError where one has no gradient, or sees regions that the method does not have
 */
export function guidingScorers(
  { items }: Pick<RunScorers, 'items'>,
  method: string,
  hasRegions: boolean,
): GuidingScorer[] {
  return items.map((item) => {
    const { guide } = item.source;
    if (guide === undefined) {
      throw new UserError(
        `objective: ${item.name} has no gradient, and method ${method} follows one; take a method that searches, such as best-of, or leave it out`,
      );
    }
    if (item.place === 'regions' && !hasRegions) {
      throw new UserError(
        `objective: ${item.name}@regions: method ${method} has no salient regions; take @whole, or method sgool`,
      );
    }
    return { ...item, guide };
  });
}
