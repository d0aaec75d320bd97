/** @file The one interface of all saliency detectors, and the maps they make. */

import type { Image } from '../image/image.ts';
import { maximum, minimum } from '../numbers.ts';

/** A saliency map of an image's size, row by row, every value in [0, 1]. */
export interface SaliencyMap {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

/** Says where in an image the eye goes. */
export interface Detector {
  readonly name: string;
  /** The map of `image`, at its size. */
  map(image: Image): Promise<SaliencyMap>;
}

/**
 * Stretches values to [0, 1]: the least becomes 0, the greatest 1. A constant map becomes 0 everywhere, because it points
 * nowhere; so does one that is not finite.
 */
export function minMaxNormalise(values: Float32Array): Float32Array {
  const least = minimum(values);
  const range = maximum(values) - least;
  if (!(range > 0 && Number.isFinite(range))) return new Float32Array(values.length);
  return values.map((value) => (value - least) / range);
}
