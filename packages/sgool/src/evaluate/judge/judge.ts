/** @file The trained judge. */

import type { Detection } from '../../networks/judge/detections.ts';
import { JUDGE_IMAGE } from '../../networks/judge/network.ts';
import { type JudgeName, openJudge } from '../../networks/judge/open-judge.ts';
import { runJudge } from '../../networks/judge/run-judge.ts';
import { compileNetwork } from '../../runtime/network-program.ts';

/** The judge, ready to run. */
export interface Judge {
  /** Detects things in an image of 128 x 128 RGB bytes, most confident first. @throws RangeError for another size */
  detect(image: Uint8Array): Promise<Detection[]>;
  /** Frees the network. */
  dispose(): Promise<void>;
}

/**
 * Loads a judge.
 *
 * @param options `name`: `judge` (the default), or `judge-counts`, which also reads groups of equal things; `threads`: one for each core
 *   by default
 * @throws UserError when its weights are missing
 */
export async function loadJudge(
  options: { readonly name?: JudgeName; readonly threads?: number } = {},
): Promise<Judge> {
  const { name, threads } = options;
  const graph = await openJudge(name);
  const program = await compileNetwork('judge', graph(), { threads });
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
