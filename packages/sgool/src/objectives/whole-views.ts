/** @file What CLIP sees beside salient regions: the whole image, or random cutouts in its place, of which the best or all count. */

import { type CropSizes, cutoutSides, randomCutouts, wholeCrop } from '../image/crops.ts';
import type { ResampleFilter } from '../image/resample.ts';
import { mean } from '../numbers.ts';
import type { PromptInputs } from '../preference/scorer.ts';
import type { RandomSource } from '../random/random-source.ts';
import type { CutoutSettings } from '../request/settings/cutouts.ts';
import type { View } from './objective.ts';

export interface WholeViews {
  readonly count: number;
  /** Factor for the best candidate. */
  readonly bestWeight: number;
  /** The views for one evaluation; cutouts are drawn afresh. */
  draw(): View[];
  /** The part of the loss that they are, from the distances of all views: of the whole, or of the cutouts. */
  part(distances: Float32Array): { readonly whole: number } | { readonly cutouts: number };
}

/**
 * @param aim what the views are compared with
 * @param resize of the whole image to CLIP's input, without cutouts: `bilinear` for the methods whose published code takes
 *   torchvision's `Resize`, `bicubic` as CLIP's own preprocessing does
 */
export function wholeViews(
  {
    cutouts,
    cutSize,
    cutPower,
    cutReduction,
  }: Pick<CutoutSettings, 'cutouts' | 'cutSize' | 'cutPower' | 'cutReduction'>,
  sizes: CropSizes,
  aim: PromptInputs,
  random: RandomSource,
  resize: ResampleFilter = 'bicubic',
): WholeViews {
  // Published cutouts are no smaller than CLIP's input, so of a square image of that size all are the image itself.
  const { smallest, largest } = cutoutSides(cutSize, sizes);
  const allAlike = smallest === largest && sizes.width === sizes.height;
  if (cutouts === 0 || allAlike) {
    const view = { crop: wholeCrop(sizes, cutouts === 0 ? resize : 'bicubic'), aim, weight: 1 };
    return { count: 1, bestWeight: 0, draw: () => [view], part: ([whole]) => ({ whole }) };
  }
  const crops = () => randomCutouts(cutouts, cutPower, cutSize, sizes, random);
  if (cutReduction === 'min') {
    return {
      count: cutouts,
      bestWeight: 1,
      draw: () => crops().map((crop) => ({ crop, aim, candidate: true })),
      part: (distances) => ({ cutouts: Math.min(...distances.subarray(0, cutouts)) }),
    };
  }
  return {
    count: cutouts,
    bestWeight: 0,
    draw: () => crops().map((crop) => ({ crop, aim, weight: 1 / cutouts })),
    part: (distances) => ({ cutouts: mean(distances.subarray(0, cutouts)) }),
  };
}
