/** @file One prompt through one method, and the scores of judge and CLIPs for the result. */

import {
  generate,
  type Image,
  type MethodName,
  type Pipeline,
  type Settings,
  type StepProgress,
} from 'sgool';
import { type Judge, judgePrompt } from 'sgool/evaluate';
import type { PromptSpec } from '../world/prompts.ts';

/** The prompts of the world are plain text. */
export const READING = { promptSyntax: 'plain' } as const satisfies Partial<Settings>;

/** Scores and cost of a finished image. */
export interface Scores {
  /** 100 times the cosine; A guides, B only reports. */
  readonly clip: { readonly A?: number; readonly B?: number };
  readonly judge: { readonly score: number; readonly correct: boolean; readonly things: number };
  /** Wall time of the method, without loading. */
  readonly seconds: number;
  readonly evaluations: { readonly forward: number; readonly pullback: number };
  /** The iteration of the result, and the last one. */
  readonly iteration: number;
  readonly iterations: number;
}

export interface ScoreOptions {
  readonly pipeline: Pipeline;
  readonly judge: Judge;
  readonly spec: PromptSpec;
  readonly method: MethodName;
  readonly seed: number;
  readonly settings?: Partial<Settings>;
  readonly signal?: AbortSignal;
  readonly onStep?: (progress: StepProgress) => void;
}

/** Runs the method and scores its result. */
export async function generateAndScore(options: ScoreOptions): Promise<{ image: Image; scores: Scores }> {
  const { pipeline, judge, spec, method, seed, settings, signal, onStep } = options;
  const request = { prompt: spec.text, method, seed, ...READING, ...settings };
  const { best, last } = await generate(request, { pipeline, signal, onStep });
  const verdict = judgePrompt(await judge.detect(best.image.data), spec);
  return {
    image: best.image,
    scores: {
      clip: best.clip,
      judge: verdict,
      seconds: last.seconds.total,
      evaluations: last.evaluations,
      iteration: best.iteration,
      iterations: last.iterations,
    },
  };
}
