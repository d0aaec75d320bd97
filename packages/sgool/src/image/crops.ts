/**
 * @file Parts of an image: views for CLIP (the whole, random cutouts, salient regions), each a pair of matrices that crop and resize in
 * one product, and perhaps a mask over what they give; and plain pixels.
 */

import { clamp } from '../numbers.ts';
import type { RandomSource } from '../random/random-source.ts';
import { createImage, type Image, type ImageSize } from './image.ts';
import { adaptiveAveragePoolMatrix, type ResampleFilter, resampleMatrix, resamplePlane } from './resample.ts';

/** One square view: `rows · plane · columnsᵀ` is CLIP's input for a colour plane. */
export interface Crop {
  /** `[side, image height]` */
  readonly rows: Float32Array;
  /** `[side, image width]` */
  readonly columns: Float32Array;
  /**
   * `[side, side]`: how much of the view counts, from 0 (CLIP's mean colour, which its normalisation makes 0) to 1 (the image). Absent
   * where all of it does.
   */
  readonly mask?: Float32Array;
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
 * The whole image. An image that is not square is letterboxed: its longer side fills CLIP's input, and the borders beside it have CLIP's
 * mean colour. So no part of it is unseen, and nothing is distorted.
 *
 * CLIP's own preprocessing is bicubic (and cuts the largest square from the middle); the code of DOODL and of diffusers' CLIP-guided
 * pipeline takes torchvision's `Resize` of a tensor, which is bilinear with a low-pass filter.
 */
export function wholeCrop({ width, height, side }: CropSizes, filter: ResampleFilter = 'bicubic'): Crop {
  const longer = Math.max(width, height);
  const across = letterboxedAxis(width, longer, side, filter);
  const down = letterboxedAxis(height, longer, side, filter);
  const view = { rows: down.matrix, columns: across.matrix };
  if (width === height) return view;
  const isInside = ({ begin, length }: LetterboxedAxis, at: number) => at >= begin && at < begin + length;
  const mask = Float32Array.from({ length: side * side }, (_, i) =>
    isInside(across, i % side) && isInside(down, Math.floor(i / side)) ? 1 : 0,
  );
  return { ...view, mask };
}

/** One axis of a letterboxed image in CLIP's input. */
interface LetterboxedAxis {
  /** `[side, image size]`, with rows of zeros in the borders. */
  readonly matrix: Float32Array;
  /** First pixel of the image in the view. */
  readonly begin: number;
  /** Pixels of the image in the view, at least 1. */
  readonly length: number;
}

function letterboxedAxis(
  size: number,
  longer: number,
  side: number,
  filter: ResampleFilter,
): LetterboxedAxis {
  const length = Math.max(1, Math.round((size * side) / longer));
  const begin = Math.floor((side - length) / 2);
  const matrix = new Float32Array(side * size);
  matrix.set(resampleMatrix(size, length, { filter }), begin * size);
  return { matrix, begin, length };
}

/** The largest square from the middle, as openai/CLIP's own preprocessing takes it. */
export function middleCrop({ width, height, side }: CropSizes): Crop {
  const shorter = Math.min(width, height);
  const box = { left: (width - shorter) / 2, top: (height - shorter) / 2, width: shorter, height: shorter };
  return boxCrop(box, { width, height, side });
}

/**
 * A view through a mask of the image's size: what the mask hides has CLIP's mean colour.
 *
 * @param mask `[height, width]`, every value in [0, 1]
 */
export function throughMask(crop: Crop, mask: Float32Array, { width }: ImageSize): Crop {
  const seen = resamplePlane(mask, width, crop.rows, crop.columns);
  // Bicubic values overshoot. In the borders of a letterbox the mask is 0, as its matrices are.
  return { ...crop, mask: seen.map((value) => clamp(value, 0, 1)) };
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
 * The sides between which random cutouts lie, in pixels of the image. Where both are the same, all cutouts have one size; of a square
 * image all are then the image itself.
 *
 * @param share of CLIP's input, or of the image's shorter side if that is less, which a cutout has at least
 */
export function cutoutSides(share: number, { width, height, side }: CropSizes) {
  const largest = Math.min(width, height);
  return { largest, smallest: Math.ceil(share * Math.min(largest, side)) };
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
  sizes: CropSizes,
  random: RandomSource,
): Crop[] {
  const { width, height, side } = sizes;
  const { smallest, largest } = cutoutSides(share, sizes);
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
