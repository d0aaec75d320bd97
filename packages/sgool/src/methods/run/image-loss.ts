/**
 * @file The loss of an image, by a function that stands still while losses are compared.
 *
 * Random cutouts and regions that follow the image make the loss another function in each iteration: its values say nothing of whether
 * a step was good. So, for an optimiser that compares, cutouts and regions stay those of the last gradient until the next
 * one, or of the first for the whole run; and where images are compared over the whole run (the lowest loss, patience), all are seen through the same cutouts.
 */
import { NotFiniteError, type UserError } from '../../errors.ts';
import type { Image } from '../../image/image.ts';
import { framesOf } from '../../models/frames.ts';
import { mean } from '../../numbers.ts';
import {
  evaluateFrames,
  type FrameInput,
  type FrameShare,
  stratifiedFrames,
} from '../../objectives/frames.ts';
import type { Objective, ObjectivePart } from '../../objectives/objective.ts';
import type { LatentOptimiser } from '../../optimisers/optimiser.ts';
import { type RandomSource, randomSource } from '../../random/random-source.ts';
import type { DifferentiationSettings } from '../../request/settings/differentiation.ts';
import type { SelectionSettings } from '../../request/settings/selection.ts';
import type { SaliencyMap } from '../../saliency/detector.ts';
import type { Region } from '../../saliency/regions.ts';
import type { Track } from '../../saliency/track.ts';
import type { Stateful } from '../../state.ts';
import type { FrameTerms, TermInput } from './frame-terms.ts';
import type { AimedGuidance } from './guidance.ts';
import type { LossParts } from './iteration.ts';
import { meanParts, type PartsOfLoss } from './loss-parts.ts';
import type { Run } from './run.ts';
import type { RunScorers } from './run-scorers.ts';

/** The objective for a frame of an iteration. */
export interface BuiltObjective extends AimedGuidance {
  readonly saliency?: SaliencyMap;
  readonly regions?: readonly Region[];
}

/** The objective for the frames of an iteration. */
export interface BuiltFrames {
  /** For each chosen frame. */
  readonly objectives: readonly BuiltObjective[];
  /** How much the salient things of the clip shake, where they are looked for. */
  readonly jitter?: number;
  /** Where they are in each frame. */
  readonly tracks?: readonly Pick<Track, 'boxes'>[];
}

/** Made once per run, then called for each iteration's image. */
export interface ObjectiveBuilder {
  /** Says which image is best where the objective selects. */
  readonly scorers: RunScorers;
  /** What guides. */
  readonly parts: readonly ObjectivePart[];
  /**
   * @param frames the image, or all frames of the clip
   * @param chosen the frames whose objectives are needed; [0] for an image
   */
  build(frames: readonly Image[], chosen: readonly number[], iteration: number): Promise<BuiltFrames>;
  /** What it remembers from one iteration to the next, if it does. */
  readonly memory?: Stateful;
}

/** What the objective says of one result of the sampler. */
export interface LossResult {
  readonly total: number;
  readonly gradient: Float64Array;
  readonly parts: PartsOfLoss;
}

/** The function that a result of the sampler is evaluated by: some of its frames, each with its views, and some pairs of neighbours. */
interface ResultInput extends TermInput {
  readonly frames: readonly FrameInput[];
}

/** The frames and the first frames of pairs that are drawn for an image. */
interface Chosen extends Pick<TermInput, 'pairs'> {
  readonly frames: readonly FrameShare[];
}

/** What the objective says of an image or a clip. */
export interface ImageValue {
  /** That of the image; of a clip it is another one for each frame. */
  readonly built?: BuiltObjective;
  readonly jitter?: number;
  /** The function that gave the results. */
  readonly inputs?: readonly ResultInput[];
  /** Gives the function that belongs to this image, with its cutouts drawn anew. */
  readonly draw?: () => readonly ResultInput[];
  readonly evaluate?: (inputs: readonly ResultInput[]) => Promise<LossResult[]>;
  /** One for each result of the sampler. */
  readonly results: readonly LossResult[];
  /** By which images of the whole run are compared; lower is better. */
  readonly compared: number;
  /** Of a network that gave no finite numbers: to be thrown when the image was given out. */
  readonly failure?: UserError;
}

/** What is remembered of the losses from one iteration to the next. */
interface LossState {
  readonly held?: readonly ResultInput[];
  readonly terms: unknown;
}

/** Its state is the function that is held, and what is known of the plain clip. */
export interface ImageLoss extends Stateful<LossState> {
  /**
   * The value of an image or a clip, decoded from the first of `finals`.
   *
   * @param worst the frame of a clip that is to be looked at in any case
   */
  value(
    frames: readonly Image[],
    iteration: number,
    finals: readonly Float64Array[],
    worst?: number,
  ): Promise<ImageValue>;
  /** The results whose gradient is taken: by a function of the image's own, which is held from now on if losses are compared. */
  forGradient(value: ImageValue): Promise<readonly LossResult[]>;
}

export interface ImageLossOptions {
  readonly builder: ObjectiveBuilder;
  readonly objective: Objective;
  /** Of several frames at once. */
  readonly terms: FrameTerms;
  /** Of the latent. */
  readonly shape: readonly number[];
  /** Which losses the optimiser compares. */
  readonly compares?: LatentOptimiser['compares'];
}

/** The loss of the images of a run. */
export function imageLoss(
  { builder, objective, terms, shape, compares }: ImageLossOptions,
  {
    settings,
    seed,
    random,
    signal,
  }: Pick<Run, 'seed' | 'random' | 'signal'> & {
    readonly settings: Pick<SelectionSettings, 'keep' | 'patience'> &
      Pick<DifferentiationSettings, 'lossFrames' | 'fullGradientEvery'> & { readonly rng: 'cpu' | 'cuda' };
  },
): ImageLoss {
  const isCompared = settings.keep === 'loss' || (settings.patience > 0 && settings.keep !== 'objective');
  const { lossFrames, fullGradientEvery: every } = settings;
  const count = framesOf(shape);
  /** The position of the stream from which the cutouts are drawn that all images are compared through. */
  const always = randomSource(settings.rng, seed).state();
  let held: readonly ResultInput[] | undefined;

  const drawnOf = (all: number, wanted: number, worst?: number) =>
    stratifiedFrames(all, wanted, () => random.rand([1])[0], worst);
  const choose = (wanted: number, worst?: number): Chosen => ({
    frames: drawnOf(count, wanted, worst),
    pairs: terms.ofPairs ? drawnOf(count - 1, wanted) : [],
  });
  /** Now and then the loss is that of all frames, and of all pairs. */
  const isFull = (iteration: number) => every > 0 && iteration % every === 0;

  async function evaluated(
    final: Float64Array,
    inputs: ResultInput,
    objectives: ReadonlyMap<number, BuiltObjective>,
  ): Promise<LossResult> {
    const { frames } = inputs;
    const { total, gradient, losses } = await evaluateFrames(objective, final, shape, frames, signal);
    const parts = frames.map(({ frame }, i) => objectives.get(frame)?.partsOf(losses[i]) ?? {});
    const shares = frames.map(({ share }) => share);
    const mean = frames.length === 1 ? parts[0] : meanParts(parts, shares);
    if (count === 1) return { total, gradient, parts: mean };
    const added = await terms.evaluate(final, inputs);
    added.gradient.forEach((value, i) => {
      gradient[i] += value;
    });
    return { total: total + added.total, gradient, parts: { ...mean, ...added.parts } };
  }

  return {
    async value(frames, iteration, finals, worst) {
      let built: BuiltObjective | undefined;
      let jitter: number | undefined;
      try {
        await terms.begin(finals[0]);
        const chosen: Chosen = held?.[0] ?? choose(isFull(iteration) ? 0 : lossFrames, worst);
        const same = isCompared ? drawnFrom(random, always, () => choose(lossFrames)) : undefined;
        const needed = [...new Set([...chosen.frames, ...(same?.frames ?? [])].map(({ frame }) => frame))];
        const all = await builder.build(frames, needed, iteration);
        const objectives = new Map(needed.map((frame, i) => [frame, all.objectives[i]]));
        if (frames.length === 1) [built] = all.objectives;
        jitter = all.jitter;
        const { tracks } = all;
        const draw =
          ({ frames: shares, pairs }: Chosen) =>
          () =>
            finals.map(
              (): ResultInput => ({
                frames: shares.map(({ frame, share }) => {
                  const input = objectives.get(frame)?.input() ?? [];
                  return { frame, share, input };
                }),
                pairs,
                ...(terms.ofPairs && tracks && { tracks }),
              }),
            );
        const evaluate = async (inputs: readonly ResultInput[]) => {
          const results: LossResult[] = [];
          for (const [i, final] of finals.entries())
            results.push(await evaluated(final, inputs[i], objectives));
          return results;
        };
        const drawOwn = draw(chosen);
        const inputs = held ?? drawOwn();
        const results = await evaluate(inputs);
        const value = { built, jitter, inputs, results, draw: drawOwn, evaluate };
        const own = totalOf(results);
        if (!same) return { ...value, compared: own };
        const alike = drawnFrom(random, always, () => {
          // The frames are drawn first, as above.
          choose(lossFrames);
          return draw(same)();
        });
        const isSame = sameViews(inputs, alike);
        return { ...value, compared: isSame ? own : totalOf(await evaluate(alike)) };
      } catch (failure) {
        if (!(failure instanceof NotFiniteError)) throw failure;
        return { built, jitter, results: [], compared: Number.NaN, failure };
      }
    },
    async forGradient({ inputs, results, draw, evaluate }) {
      if (!compares || !inputs || !draw || !evaluate) return results;
      // Of the first image, the function is its own already.
      const isKept = held === undefined || compares === 'run';
      const next = isKept ? inputs : draw();
      held = next;
      return sameViews(inputs, next) ? results : evaluate(next);
    },
    state: () => ({ ...(held && { held }), terms: terms.state() }),
    restore(state) {
      held = state.held;
      terms.restore(state.terms as ReturnType<FrameTerms['state']>);
    },
  };
}

/** Mean over the results of the sampler; NaN for none. */
export const totalOf = (results: readonly Pick<LossParts, 'total'>[]): number =>
  mean(results.map(({ total }) => total));

/** What is drawn from another position of a stream, which then goes on where it was. */
function drawnFrom<T>(random: RandomSource, position: unknown, draw: () => T): T {
  const now = random.state();
  random.restore(position);
  try {
    return draw();
  } finally {
    random.restore(now);
  }
}

/** Whether two functions see an image through the same crops of the same frames, and the same pairs. */
function sameViews(a: readonly ResultInput[], b: readonly ResultInput[]): boolean {
  const crops = (inputs: readonly ResultInput[]) =>
    inputs.flatMap(({ frames, pairs }) => [
      ...frames.flatMap(({ frame, input }) =>
        input.flatMap((parts) => parts.views.flatMap(({ crop }) => [frame, crop] as const)),
      ),
      ...pairs.map(({ frame }) => frame),
    ]);
  const [those, others] = [crops(a), crops(b)];
  return those.length === others.length && those.every((crop, i) => crop === others[i]);
}
