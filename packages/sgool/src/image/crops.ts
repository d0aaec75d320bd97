/**
 * @file Parts of an image: views for CLIP (the whole, random cutouts, salient regions), each a pair of matrices that crop and resize
 * in one product; and plain pixels.
 */

import type { RandomSource } from '../random/random-source.ts';
import { createImage, type Image } from './image.ts';
import { adaptiveAveragePoolMatrix, type ResampleFilter, resampleMatrix } from './resample.ts';

/** One square view: `rows · plane · columnsᵀ` is CLIP's input for a colour plane. */
export interface Crop {
  /** `[side, image height]` */
  readonly rows: Float32Array;
  /** `[side, image width]` */
  readonly columns: Float32Array;
}

/** Sizes that a crop depends on, in pixels. */
export interface CropSizes {
  /** Width of the image. */
  readonly width: number;
  /** Height of the image. */
  readonly height: number;
  /** Side of CLIP's square input. */
  readonly side: number;
}

/** A rectangle inside an image, in pixels; fractions are allowed. */
export interface CropBox {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/**
 * The largest square from the middle, resized to CLIP's input. CLIP's own preprocessing is bicubic; the code of DOODL and of
 * diffusers' CLIP-guided pipeline takes torchvision's `Resize` of a tensor, which is bilinear with a low-pass filter.
 */
export function wholeCrop({ width, height, side }: CropSizes, filter: ResampleFilter = 'bicubic'): Crop {
  const shorter = Math.min(width, height);
  const left = (width - shorter) / 2;
  const top = (height - shorter) / 2;
  return boxCrop({ left, top, width: shorter, height: shorter }, { width, height, side }, filter);
}

/** The crop of a box, resized to CLIP's input, with a low-pass filter where it shrinks. */
export function boxCrop(
  { left, top, width, height }: CropBox,
  sizes: CropSizes,
  filter: ResampleFilter = 'bicubic',
): Crop {
  return {
    rows: resampleMatrix(sizes.height, sizes.side, { filter, box: [top, top + height] }),
    columns: resampleMatrix(sizes.width, sizes.side, { filter, box: [left, left + width] }),
  };
}

/**
 * Random square cutouts, as in CLIP guidance: side `u^power·(max - min) + min` with u uniform in [0, 1), max the image's
 * shorter side, and min the lesser of max and CLIP's input; then average pooling. `share` below 1 scales min down, because
 * an image that is no larger than CLIP's input would have no cutouts otherwise.
 *
 * Reference: Katherine Crowson's MakeCutouts, in DOODL and in diffusers' CLIP-guided pipeline.
 */
export function randomCutouts(
  count: number,
  power: number,
  share: number,
  { width, height, side }: CropSizes,
  random: RandomSource,
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

/**
 * A part of an image, pixel by pixel.
 *
 * @param box in whole pixels, inside the image
 */
export function cutOut(image: Image, { left, top, width, height }: CropBox): Image {
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    const from = 3 * ((top + y) * image.width + left);
    data.set(image.data.subarray(from, from + 3 * width), 3 * y * width);
  }
  return createImage(width, height, data);
}
