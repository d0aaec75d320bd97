/**
 * @file `sgool/evaluate`: the judge, which says what is in an image of Toybox and never guides.
 *
 * @packageDocumentation
 */
export {
  type Detection,
  decodeMaps,
  detectedRelation,
  type JudgeMaps,
  judgePrompt,
  type Verdict,
} from '../evaluate/judge/detections.ts';
export { type Judge, loadJudge } from '../evaluate/judge/judge.ts';
export { runJudge } from '../evaluate/judge/run-judge.ts';
export {
  JUDGE_GRID,
  JUDGE_IMAGE,
  JUDGE_TRAITS,
  type JudgeOutputs,
  judgeNetwork,
} from '../networks/judge/network.ts';
export {
  COLOURS,
  type Colour,
  KINDS,
  type Kind,
  RELATIONS,
  type Relation,
} from '../networks/judge/vocabulary.ts';
