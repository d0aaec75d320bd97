/**
 * @file The loss of an image, by a function that stands still while losses are compared.
 *
 * Random cutouts and regions that follow the image make the loss another function in each iteration: its values say nothing of whether
 * a step was good. So, for an optimiser that compares, cutouts and regions stay those of the last gradient until the next
 * one, or of the first for the whole run; and where images are compared over the whole run (the lowest loss, patience), all are seen through the same cutouts.
 */
import { NotFiniteError, type UserError } from '../../errors.ts';
import type { Image } from '../../image/image.ts';
import { mean } from '../../numbers.ts';
import type {
  Objective,
  ObjectiveInput,
  ObjectivePart,
  ObjectiveResult,
} from '../../objectives/objective.ts';
import type { LatentOptimiser } from '../../optimisers/optimiser.ts';
import { type RandomSource, randomSource } from '../../random/random-source.ts';
import type { SelectionSettings } from '../../request/settings.ts';
import type { SaliencyMap } from '../../saliency/detector.ts';
import type { Region } from '../../saliency/regions.ts';
import type { Stateful } from '../../state.ts';
import type { AimedGuidance } from './guidance.ts';
import type { LossParts } from './iteration.ts';
import type { Run } from './run.ts';
import type { RunScorers } from './run-scorers.ts';

/** The objective for the image of an iteration. */
export interface BuiltObjective extends AimedGuidance {
  readonly saliency?: SaliencyMap;
  readonly regions?: readonly Region[];
}

/** Made once per run, then called for each iteration's image. */
export interface ObjectiveBuilder {
  /** Says which image is best where the objective selects. */
  readonly scorers: RunScorers;
  /** What guides. */
  readonly parts: readonly ObjectivePart[];
  build(image: Image, iteration: number): Promise<BuiltObjective>;
  /** What it remembers from one iteration to the next, if it does. */
  readonly memory?: Stateful;
}

/** What the objective says of an image. */
export interface ImageValue {
  readonly built?: BuiltObjective;
  /** The function that gave the results. */
  readonly inputs?: readonly ObjectiveInput[];
  /** One for each result of the sampler. */
  readonly results: readonly ObjectiveResult[];
  /** By which images of the whole run are compared; lower is better. */
  readonly compared: number;
  /** Of a network that gave no finite numbers: to be thrown when the image was given out. */
  readonly failure?: UserError;
}

/** Its state is the function that is held. */
export interface ImageLoss extends Stateful<readonly ObjectiveInput[] | undefined> {
  /** The value of an image, decoded from the first of `finals`. */
  value(image: Image, iteration: number, finals: readonly Float64Array[]): Promise<ImageValue>;
  /** The results whose gradient is taken: by a function of the image's own, which is held from now on if losses are compared. */
  forGradient(value: ImageValue, finals: readonly Float64Array[]): Promise<readonly ObjectiveResult[]>;
}

export interface ImageLossOptions {
  readonly builder: ObjectiveBuilder;
  readonly objective: Objective;
  /** Which losses the optimiser compares. */
  readonly compares?: LatentOptimiser['compares'];
}

/** The loss of the images of a run. */
export function imageLoss(
  { builder, objective, compares }: ImageLossOptions,
  {
    settings,
    seed,
    random,
    signal,
  }: Pick<Run, 'seed' | 'random' | 'signal'> & {
    readonly settings: Pick<SelectionSettings, 'keep' | 'patience'> & { readonly rng: 'cpu' | 'cuda' };
  },
): ImageLoss {
  const isCompared = settings.keep === 'loss' || (settings.patience > 0 && settings.keep !== 'objective');
  /** The position of the stream from which the cutouts are drawn that all images are compared through. */
  const always = randomSource(settings.rng, seed).state();
  let held: readonly ObjectiveInput[] | undefined;

  async function evaluate(finals: readonly Float64Array[], inputs: readonly ObjectiveInput[]) {
    const results: ObjectiveResult[] = [];
    for (const [i, final] of finals.entries()) {
      signal?.throwIfAborted();
      results.push(await objective.evaluate(final, inputs[i]));
    }
    return results;
  }
  const drawn = (built: BuiltObjective, finals: readonly Float64Array[]) => finals.map(() => built.input());

  return {
    async value(image, iteration, finals) {
      let built: BuiltObjective | undefined;
      try {
        built = await builder.build(image, iteration);
        const inputs = held ?? drawn(built, finals);
        const results = await evaluate(finals, inputs);
        const own = totalOf(results);
        if (!isCompared) return { built, inputs, results, compared: own };
        const same = drawnFrom(random, always, () => drawn(built as BuiltObjective, finals));
        const isSame = sameViews(inputs, same);
        return { built, inputs, results, compared: isSame ? own : totalOf(await evaluate(finals, same)) };
      } catch (failure) {
        if (!(failure instanceof NotFiniteError)) throw failure;
        return { built, results: [], compared: Number.NaN, failure };
      }
    },
    async forGradient({ built, inputs, results }, finals) {
      if (!compares || !built || !inputs) return results;
      // Of the first image, the function is its own already.
      const isKept = held === undefined || compares === 'run';
      const next = isKept ? inputs : drawn(built, finals);
      held = next;
      return sameViews(inputs, next) ? results : evaluate(finals, next);
    },
    state: () => held,
    restore(state) {
      held = state;
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

/** Whether two functions see an image through the same crops. */
function sameViews(a: readonly ObjectiveInput[], b: readonly ObjectiveInput[]): boolean {
  const crops = (inputs: readonly ObjectiveInput[]) =>
    inputs.flatMap((parts) => parts.flatMap(({ views }) => views.map(({ crop }) => crop)));
  const [those, others] = [crops(a), crops(b)];
  return those.length === others.length && those.every((crop, i) => crop === others[i]);
}
