/** @file The trained judge, ready to mark pictures. */

import { fileURLToPath } from 'node:url';
import { compile, trace } from '@sgool/autodiff';
import { networkWeights } from 'sgool/networks';
import { openSafetensors } from 'sgool/weights';
import type { Detection } from './decode.ts';
import { JUDGE_IMAGE, judgeNetwork } from './network.ts';
import { runJudge } from './program.ts';

/** The judge's weights: beside the model folder, because no method may use them. */
export const JUDGE_FILE = fileURLToPath(new URL('../../judge/judge.safetensors', import.meta.url));

export interface Judge {
  /** Things in a picture of 128 x 128 RGB bytes, most certain first. */
  look(image: Uint8Array): Promise<Detection[]>;
  dispose(): Promise<void>;
}

/** Loads the judge, to run on `threads` (default: one for each core). @throws UserError when its weights are missing */
export async function loadJudge({ threads }: { threads?: number } = {}): Promise<Judge> {
  const weights = networkWeights(await openSafetensors(JUDGE_FILE));
  const graph = trace({ image: { shape: [1, 3, JUDGE_IMAGE, JUDGE_IMAGE] } }, ({ image }) => ({
    ...judgeNetwork(weights, image),
  }));
  const program = await compile(graph, { threads });
  return {
    look(image) {
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
