/** @file The scorers of an evaluation by their names. */
import { UserError } from '../../errors.ts';
import { JUDGE_IMAGE } from '../../networks/judge/network.ts';
import type { JudgeName } from '../../networks/judge/open-judge.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { LoadScorerOptions } from '../../preference/load-scorer.ts';
import { SCORER_NAMES, type ScorerName } from '../../request/scorer-names.ts';
import { wantedScorer } from '../../request/wanted-scorer.ts';
import { aestheticScorer } from './aesthetic-scorer.ts';
import { clipScorer } from './clip-scorer.ts';
import type { ImageScorer } from './image-scorer.ts';
import { judgeScorer } from './judge-scorer.ts';
import { motionScorer } from './motion-scorer.ts';
import { onnxScorer } from './onnx-scorer.ts';
import { overFrames } from './over-frames.ts';
import { preferenceScorer } from './preference-scorer.ts';

/** Scorers that a run may have beside CLIP, which every run has. `onnx:<file>` is any other. */
export const EVALUATION_SCORERS = ['clip', 'judge', ...SCORER_NAMES, 'aesthetic'] as const;

/** A scorer, and the file of its weights. */
export type WantedScorer =
  | { readonly kind: 'clip' | 'judge' }
  | { readonly kind: 'preference'; readonly name: ScorerName; readonly weights?: string }
  | { readonly kind: 'aesthetic' | 'onnx'; readonly weights: string };

/**
 * `hps-v2.1,pickscore=file.pt,aesthetic=head.pth,onnx:scorer.onnx`.
 *
 * @throws UserError that names all scorers
 */
export function wantedScorers(text: string): WantedScorer[] {
  return text.split(',').map((item): WantedScorer => {
    const name = item.trim();
    if (name === 'judge' || name === 'clip') return { kind: name };
    const [, head] = /^aesthetic\s*=\s*(.+)$/.exec(name) ?? [];
    if (head !== undefined) return { kind: 'aesthetic', weights: head };
    const wanted = wantedScorer(name);
    if (wanted?.kind === 'preference') return wanted;
    if (wanted?.kind === 'onnx') return { kind: 'onnx', weights: wanted.file };
    const all = [
      ...EVALUATION_SCORERS.filter((one) => one !== 'aesthetic'),
      'aesthetic=<file>',
      'onnx:<file>',
    ];
    throw new UserError(`--scorer: not usable, got ${item || 'nothing'}; choose from ${all.join(', ')}`, {
      exitCode: 2,
    });
  });
}

/** A scorer as the command line has it. */
export function scorerText(wanted: WantedScorer): string {
  if (wanted.kind === 'onnx') return `onnx:${wanted.weights}`;
  if (wanted.kind === 'aesthetic') return `aesthetic=${wanted.weights}`;
  if (wanted.kind !== 'preference') return wanted.kind;
  return wanted.weights === undefined ? wanted.name : `${wanted.name}=${wanted.weights}`;
}

/** Scorers that are ready to run, and what to tell the user about them. */
export interface OpenScorers {
  readonly scorers: readonly ImageScorer[];
  /** In one line each. */
  readonly notes: readonly string[];
  dispose(): Promise<void>;
}

/**
 * Opens scorers. Those of a model with motion score clips: frame by frame, and as a whole.
 *
 * @param judge the judge that checks the clauses of the prompts; undefined where no prompt has any
 * @throws UserError where weights are missing, a scorer cannot score these images, or two would have one name
 */
export async function openScorers(
  wanted: readonly WantedScorer[],
  pipeline: Pipeline,
  judge: JudgeName | undefined,
  options: LoadScorerOptions = {},
): Promise<OpenScorers> {
  const scorers: ImageScorer[] = [];
  const notes: string[] = [];
  const dispose = async () => {
    for (const scorer of scorers) await scorer.dispose();
  };
  const { has } = pipeline.model;
  try {
    if (has.clip || has.clipB) scorers.push(await clipScorer(pipeline));
    if (wanted.some(({ kind }) => kind === 'judge')) {
      checkJudge(pipeline, judge);
      scorers.push(await judgeScorer(judge));
    } else if (judge !== undefined) {
      const reason = refusalOfJudge(pipeline);
      if (reason === undefined) scorers.push(await judgeScorer(judge));
      else notes.push(`the judge does not score: ${reason}`);
    }
    for (const one of wanted) {
      if (one.kind === 'preference') {
        const { name, weights } = one;
        scorers.push(
          await preferenceScorer(name, { ...options, ...(weights === undefined ? {} : { weights }) }),
        );
      } else if (one.kind === 'aesthetic') scorers.push(await aestheticScorer(one.weights, pipeline));
      else if (one.kind === 'onnx') scorers.push(await onnxScorer(one.weights, options));
    }
    const all = pipeline.model.motion === undefined ? scorers : [...scorers, motionScorer].map(overFrames);
    checkNames(all);
    return { scorers: all, notes, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** Why the judge cannot score the images of a model, if so. */
function refusalOfJudge({ model: { name, width, height } }: Pipeline): string | undefined {
  if (width === JUDGE_IMAGE && height === JUDGE_IMAGE) return undefined;
  return `it sees images of ${JUDGE_IMAGE} x ${JUDGE_IMAGE} pixels of Toybox's world, and those of ${name} are ${width} x ${height}`;
}

function checkJudge(pipeline: Pipeline, judge: JudgeName | undefined): void {
  const reason =
    judge !== undefined
      ? refusalOfJudge(pipeline)
      : 'it checks clauses, and no prompt of the suites has any; suites toybox and toybox-flow do';
  if (reason !== undefined) throw new UserError(`--scorer judge: ${reason}`, { exitCode: 2 });
}

function checkNames(scorers: readonly ImageScorer[]): void {
  const seen = new Set<string>();
  for (const { name } of scorers.flatMap(({ infos }) => infos)) {
    if (seen.has(name)) {
      throw new UserError(
        `--scorer: two scores are called ${name}; give each scorer once, or rename the file`,
        {
          exitCode: 2,
        },
      );
    }
    seen.add(name);
  }
}
