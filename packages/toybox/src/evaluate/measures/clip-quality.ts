/** @file How well plain clips match their prompts, by the judge. */

import { generate, type Image, type Pipeline } from 'sgool';
import { type ClipVerdict, type Judge, judgeClip, type MoveKind, mean } from 'sgool/evaluate';
import { FRAMES } from '../../world/moves.ts';
import type { MovingPrompt } from '../../world/prompts.ts';
import { READING } from '../scoring.ts';

/** DDIM steps of a clip. */
const STEPS = 25;

export interface ClipQuality {
  /** Share of the frames in which every thing is there in its colour, 0..1. */
  readonly frames: number;
  /** Share of the clips in which every thing moves as the prompt says, 0..1. */
  readonly moves: number;
}

/** Makes a plain clip for each prompt; prompt i starts from the noise of seed i. A line per prompt goes to stderr. */
export async function clipQuality(
  pipeline: Pipeline,
  judge: Pick<Judge, 'detect'>,
  prompts: readonly MovingPrompt[],
  signal?: AbortSignal,
): Promise<ClipQuality> {
  const verdicts: ClipVerdict[] = [];
  for (const [seed, { text, things }] of prompts.entries()) {
    const detections = [];
    for (const { data } of await plainClip(pipeline, text, seed, signal)) {
      detections.push(await judge.detect(data));
    }
    const verdict = judgeClip(detections, things);
    verdicts.push(verdict);
    const seen = verdict.moves.map((move: MoveKind | undefined) => move ?? 'unclear').join(', ');
    const right = verdict.moveRight ? 'right' : 'wrong';
    process.stderr.write(
      `${seed + 1}/${prompts.length}  ${text}: ${right} (${seen}), things in ${(100 * verdict.correct).toFixed(0)}% of the frames\n`,
    );
  }
  return {
    frames: mean(verdicts.map(({ correct }) => correct)),
    moves: mean(verdicts.map(({ moveRight }) => Number(moveRight))),
  };
}

async function plainClip(
  pipeline: Pipeline,
  prompt: string,
  seed: number,
  signal?: AbortSignal,
): Promise<readonly Image[]> {
  const settings = { frames: FRAMES, steps: STEPS, sampler: 'ddim' } as const;
  const { best } = await generate(
    { prompt, method: 'sd', seed, ...READING, ...settings },
    { pipeline, signal },
  );
  return best.frames ?? [best.image];
}
