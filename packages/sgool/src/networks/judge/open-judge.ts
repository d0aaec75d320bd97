/** @file The trained judge's weights, as a graph. */

import { type Graph, trace } from '@sgool/autodiff';
import { UserError } from '../../errors.ts';
import { openSafetensors } from '../../weights/formats/safetensors.ts';
import { packagedPath } from '../../weights/open/locate-model.ts';
import { networkWeights } from '../network-weights.ts';
import { JUDGE_IMAGE, judgeNetwork } from './network.ts';

/**
 * The files of the judges' weights by name. `judge` reads scenes of one to three things, `judge-counts` also groups of up to four equal
 * ones. The network is the same.
 */
const JUDGE_FILES: Readonly<Record<JudgeName, string>> = {
  judge: 'judge.safetensors',
  'judge-counts': 'judge-counts.safetensors',
};
/** A trained judge. */
export type JudgeName = 'judge' | 'judge-counts';
/** The names of all judges; a suite says which of them checks its clauses. */
export const JUDGE_NAMES = Object.keys(JUDGE_FILES) as [JudgeName, ...JudgeName[]];

/** Path of a judge's weights. They are not in the model's folder, because what measures a method must not be at its hand. */
export function judgeFile(name: JudgeName = 'judge'): string {
  const file = packagedPath('judge', JUDGE_FILES[name]);
  if (file === undefined)
    throw new UserError(`${name}: its weights come with @sgool/toybox-models; install it`);
  return file;
}

/**
 * Opens a judge's weights.
 *
 * @param name default: `judge`
 * @returns traces the program that `runJudge` runs: `image` [1, 3, 128, 128] in [0, 1] to the maps of `JudgeMaps`
 * @throws UserError where they are missing
 */
export async function openJudge(name?: JudgeName): Promise<() => Graph> {
  const weights = networkWeights(await openSafetensors(judgeFile(name)));
  return () =>
    trace({ image: { shape: [1, 3, JUDGE_IMAGE, JUDGE_IMAGE] } }, ({ image }) => ({
      ...judgeNetwork(weights, image),
    }));
}
