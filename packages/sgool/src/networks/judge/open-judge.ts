/** @file The trained judge's weights, as a graph. */

import { type Graph, trace } from '@sgool/autodiff';
import { UserError } from '../../errors.ts';
import { openSafetensors } from '../../weights/formats/safetensors.ts';
import { packagedPath } from '../../weights/open/locate-model.ts';
import { networkWeights } from '../network-weights.ts';
import { JUDGE_IMAGE, judgeNetwork } from './network.ts';

/** Path of the judge's weights. They are not in the model's folder, because what measures a method must not be at its hand. */
export function judgeFile(): string {
  const file = packagedPath('judge', 'judge.safetensors');
  if (file === undefined)
    throw new UserError('judge: its weights come with @sgool/toybox-models; install it');
  return file;
}

/**
 * Opens the judge's weights.
 *
 * @returns traces the program that `runJudge` runs: `image` [1, 3, 128, 128] in [0, 1] to the maps of `JudgeMaps`
 * @throws UserError where they are missing
 */
export async function openJudge(): Promise<() => Graph> {
  const weights = networkWeights(await openSafetensors(judgeFile()));
  return () =>
    trace({ image: { shape: [1, 3, JUDGE_IMAGE, JUDGE_IMAGE] } }, ({ image }) => ({
      ...judgeNetwork(weights, image),
    }));
}
