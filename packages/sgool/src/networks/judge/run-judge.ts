/** @file Running a compiled judge on one image. */

import type { Program } from '@sgool/autodiff';
import { type Detection, decodeMaps, type JudgeMaps } from './detections.ts';
import { JUDGE_IMAGE } from './network.ts';

/**
 * Runs a compiled judge.
 *
 * @param image RGB bytes of a 128 x 128 image, row by row
 * @returns detections, most confident first
 */
export async function runJudge(program: Pick<Program, 'run'>, image: Uint8Array): Promise<Detection[]> {
  const pixels = JUDGE_IMAGE * JUDGE_IMAGE;
  const planes = new Float32Array(3 * pixels);
  for (let i = 0; i < pixels; i++)
    for (let c = 0; c < 3; c++) planes[c * pixels + i] = image[3 * i + c] / 255;
  return decodeMaps((await program.run({ image: planes })) as unknown as JudgeMaps);
}
