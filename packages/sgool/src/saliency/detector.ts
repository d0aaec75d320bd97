/** @file Saliency models and saliency maps. */

import type { CropBox } from '../image/crops.ts';
import type { Image } from '../image/image.ts';
import { maximum, minimum } from '../numbers.ts';

/** A saliency map of an image's size. */
export interface SaliencyMap {
  readonly width: number;
  readonly height: number;
  /** `[height, width]`, every value in [0, 1]. */
  readonly data: Float32Array;
  /** The salient boxes, of a saliency model that knows them itself. Then no threshold is asked. */
  readonly boxes?: readonly CropBox[];
}

/** A saliency model: predicts which parts of an image attract attention. */
export interface Detector {
  readonly name: string;
  /** The saliency map of an image, at its size. */
  map(image: Image): Promise<SaliencyMap>;
}

/**
 * Min-max normalisation: the least value becomes 0, the greatest 1. A map that is constant becomes 0 everywhere, because it marks no
 * region.
 */
export function minMaxNormalise(values: Float32Array): Float32Array {
  const least = minimum(values);
  const range = maximum(values) - least;
  if (range === 0) return new Float32Array(values.length);
  return values.map((value) => (value - least) / range);
}
