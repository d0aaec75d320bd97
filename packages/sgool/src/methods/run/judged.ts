/** @file What a latent became: its frames, what critics and scorers say of them, and whether it is the best so far. */
import type { UserError } from '../../errors.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { SamplingSettings } from '../../request/settings/sampling.ts';
import type { SelectionSettings } from '../../request/settings/selection.ts';
import { decodeFrames, judge, shownFrames } from './frames.ts';
import type { Iteration } from './iteration.ts';
import type { BestKeeper, Run } from './run.ts';
import { type RunScorers, selection } from './run-scorers.ts';

export interface JudgedOptions {
  readonly iteration: number;
  readonly keep: SelectionSettings['keep'];
  readonly keeper: BestKeeper;
  /** Where `keep` may be `objective`. */
  readonly scorers?: RunScorers;
}

/** The part of an iteration that follows from its final latent. */
export interface JudgedLatent {
  readonly shown: Pick<
    Iteration,
    'image' | 'frames' | 'fps' | 'clip' | 'overFrames' | 'scores' | 'objective' | 'best'
  >;
  /** Of a critic or scorer that failed: to be thrown when the image was given out. */
  readonly failure?: UserError;
}

/** Decodes a final latent, and lets critics and scorers judge it. */
export async function judgedLatent(
  pipeline: Pipeline,
  run: Run<SamplingSettings>,
  final: Float64Array,
  { iteration, keep, keeper, scorers }: JudgedOptions,
): Promise<JudgedLatent> {
  const frames = await decodeFrames(pipeline, run, final, iteration);
  const { frameScores, failure: unscored, ...judged } = await judge(pipeline, run, frames);
  const { failure = unscored, ...chosen } = scorers
    ? await selection(scorers, keep, frames, frameScores)
    : {};
  const said = { ...judged, ...chosen };
  return {
    shown: { ...shownFrames(frames, run.settings), ...said, best: keeper.isBest(said) },
    ...(failure && { failure }),
  };
}
