/**
 * @file What CLIP is shown of an image: the whole, random cutouts, salient regions, each as a pair of matrices that cut
 * and resize in one product.
 */

import type { Generator } from '../random/generator.ts';
import { adaptiveAveragePoolMatrix, resampleMatrix } from './resample.ts';

/** One square view: `rows · plane · columnsᵀ` is what CLIP sees of a colour plane. */
export interface Crop {
  /** `[side, image height]` */
  readonly rows: Float32Array;
  /** `[side, image width]` */
  readonly columns: Float32Array;
}

export interface CropSizes {
  /** Of the image in pixels. */
  readonly width: number;
  readonly height: number;
  /** Of CLIP's input. */
  readonly side: number;
}

/** A box in pixels of the image. */
interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** CLIP's own preprocessing: bicubic resize of the shorter side, centre crop. */
export function wholeCrop({ width, height, side }: CropSizes): Crop {
  const shorter = Math.min(width, height);
  const left = (width - shorter) / 2;
  const top = (height - shorter) / 2;
  return boxCrop({ left, top, width: shorter, height: shorter }, { width, height, side });
}

/** A box stretched to CLIP's input, bicubic with a low-pass filter where it shrinks. */
export function boxCrop({ left, top, width, height }: Box, sizes: CropSizes): Crop {
  return {
    rows: resampleMatrix(sizes.height, sizes.side, { box: [top, top + height] }),
    columns: resampleMatrix(sizes.width, sizes.side, { box: [left, left + width] }),
  };
}

/**
 * Random square cutouts, as CLIP guidance draws them: side `u^power·(max - min) + min`, u uniform in [0, 1), max the
 * image's shorter side, min CLIP's input if that is smaller; then average pooling. `share` below 1 lets them be smaller
 * still, for images that are no larger than CLIP's input and would have no cutouts otherwise.
 *
 * Reference: Katherine Crowson's MakeCutouts, in DOODL and in diffusers' CLIP-guided pipeline.
 */
export function randomCutouts(
  count: number,
  power: number,
  share: number,
  { width, height, side }: CropSizes,
  random: Generator,
): Crop[] {
  const largest = Math.min(width, height);
  const smallest = Math.ceil(share * Math.min(largest, side));
  return Array.from({ length: count }, () => {
    const length = Math.floor(random.rand([1])[0] ** power * (largest - smallest) + smallest);
    const [left] = random.randint(0, width - length + 1, [1]);
    const [top] = random.randint(0, height - length + 1, [1]);
    return {
      rows: adaptiveAveragePoolMatrix(height, side, { box: [top, top + length] }),
      columns: adaptiveAveragePoolMatrix(width, side, { box: [left, left + length] }),
    };
  });
}
