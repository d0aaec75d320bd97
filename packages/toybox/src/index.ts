/** @file The world of toys, its judge, and where the trained model lies. */

export { type Detection, detectedRelation, judgePrompt, type Verdict } from './judge/decode.ts';
export { type Judge, loadJudge } from './judge/judge.ts';
export { WEIGHTS_FOLDER } from './paths.ts';
export * from './world/index.ts';
