/** @file The trained judge. */

import { trace } from '@sgool/autodiff';
import { UserError } from '../../errors.ts';
import { JUDGE_IMAGE, judgeNetwork } from '../../networks/judge/network.ts';
import { networkWeights } from '../../networks/network-weights.ts';
import { compileNetwork } from '../../runtime/network-program.ts';
import { openSafetensors } from '../../weights/formats/safetensors.ts';
import { packagedPath } from '../../weights/open/locate-model.ts';
import type { Detection } from './detections.ts';
import { runJudge } from './run-judge.ts';

/** Path of the judge's weights. They are not in the model's folder, because no method may use them. */
export function judgeFile(): string {
  const file = packagedPath('judge', 'judge.safetensors');
  if (file === undefined)
    throw new UserError('judge: its weights come with @sgool/toybox-models; install it');
  return file;
}

/** The judge, ready to run. */
export interface Judge {
  /** Detects things in an image of 128 x 128 RGB bytes, most confident first. @throws RangeError for another size */
  detect(image: Uint8Array): Promise<Detection[]>;
  /** Frees the network. */
  dispose(): Promise<void>;
}

/**
 * Loads the judge.
 *
 * @param threads default: one for each core
 * @throws UserError when its weights are missing
 */
export async function loadJudge({ threads }: { threads?: number } = {}): Promise<Judge> {
  const weights = networkWeights(await openSafetensors(judgeFile()));
  const graph = trace({ image: { shape: [1, 3, JUDGE_IMAGE, JUDGE_IMAGE] } }, ({ image }) => ({
    ...judgeNetwork(weights, image),
  }));
  const program = await compileNetwork('judge', graph, { threads });
  return {
    detect(image) {
      if (image.length !== 3 * JUDGE_IMAGE * JUDGE_IMAGE) {
        throw new RangeError(
          `judge: needs ${JUDGE_IMAGE} x ${JUDGE_IMAGE} RGB bytes, got ${image.length} bytes`,
        );
      }
      return runJudge(program, image);
    },
    dispose: () => program.dispose(),
  };
}
