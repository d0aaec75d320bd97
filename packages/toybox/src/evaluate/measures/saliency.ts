/** @file How well TranSalNet's maps agree with simulated fixations, and the samples for it. */

import { compile, trace, type Weights } from '@sgool/autodiff';
import { letterboxPlanes, planesFromImage } from 'sgool';
import { type TranSalNetConfig, transalnet } from 'sgool/networks';
import { IMAGE, type PooledMasks } from '../../train/scenes.ts';
import { simulateFixations } from '../../world/fixations.ts';
import { sceneGenerator } from '../../world/scene-generator.ts';

/** Rows of `[.., 3, height, width]` planes and of `[.., height, width]` maps. */
export interface SaliencyBatch {
  readonly planes: Float32Array;
  readonly map: Float32Array;
  /** 1 where at least one fixation fell. */
  readonly fixations: Float32Array;
}

/** Letter-boxes an image and its simulated fixations onto the network's canvas, as row `slot` of the batch. */
export function writeSaliencySample(
  { scene, image, masks }: PooledMasks,
  seed: number,
  [height, width]: TranSalNetConfig['image_size'],
  slot: number,
  into: SaliencyBatch,
): void {
  const area = height * width;
  const left = (width - height) / 2;
  const square = { width: IMAGE, height: IMAGE };
  const planes = planesFromImage({ ...square, data: image }, [0, 1]);
  into.planes.set(letterboxPlanes(planes, square, { height, width }), slot * 3 * area);
  const truth = simulateFixations(scene, { image, masks }, { size: height, generator: sceneGenerator(seed) });
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < height; x++) {
      const at = slot * area + y * width + left + x;
      into.map[at] = truth.map[y * height + x];
      into.fixations[at] = truth.fixations[y * height + x] > 0 ? 1 : 0;
    }
  }
}

/**
 * Pearson's correlation of two maps (CC), and the mean of the standardised prediction where fixations fell (NSS).
 *
 * Reference: Bylinskii et al. 2018, "What do different evaluation metrics tell us about saliency models?"
 */
export function saliencyScores(
  predicted: ArrayLike<number>,
  truth: ArrayLike<number>,
  fixations: ArrayLike<number>,
): { cc: number; nss: number } {
  const count = predicted.length;
  const average = (x: ArrayLike<number>) => {
    let total = 0;
    for (let k = 0; k < count; k++) total += x[k];
    return total / count;
  };
  const [pm, gm] = [average(predicted), average(truth)];
  let [pg, pp, gg, hits, fixated] = [0, 0, 0, 0, 0];
  for (let k = 0; k < count; k++) {
    const [p, g] = [predicted[k] - pm, truth[k] - gm];
    pg += p * g;
    pp += p * p;
    gg += g * g;
    if (fixations[k] > 0) {
      hits += p;
      fixated++;
    }
  }
  return { cc: pg / Math.sqrt(pp * gg), nss: hits / fixated / Math.sqrt(pp / (count - 1)) };
}

/** Seeds of the fixations on test scenes. */
const FIXATION_SEED = 900_000;

/** Mean CC and NSS over the square image (the bars beside it are left out), as the benchmarks define them. */
export async function saliencyQuality(
  config: TranSalNetConfig,
  weights: Weights,
  scenes: readonly PooledMasks[],
): Promise<{ cc: number; nss: number }> {
  const [height, width] = config.image_size;
  const area = height * width;
  const program = await compile(
    trace({ planes: { shape: [1, 3, height, width] } }, ({ planes }) => ({
      map: transalnet(config, weights)(planes),
    })),
  );
  const sample = {
    planes: new Float32Array(3 * area),
    map: new Float32Array(area),
    fixations: new Float32Array(area),
  };
  const left = (width - height) / 2;
  const square = (canvas: Float32Array) =>
    Float64Array.from(
      { length: height * height },
      (_, k) => canvas[Math.floor(k / height) * width + left + (k % height)],
    );
  let [cc, nss] = [0, 0];
  try {
    for (const [i, scene] of scenes.entries()) {
      writeSaliencySample(scene, FIXATION_SEED + i, config.image_size, 0, sample);
      const map = (await program.run({ planes: sample.planes })).map as Float32Array;
      const scores = saliencyScores(square(map), square(sample.map), square(sample.fixations));
      cc += scores.cc / scenes.length;
      nss += scores.nss / scenes.length;
    }
  } finally {
    await program.dispose();
  }
  return { cc, nss };
}
