/**
 * @file The preprocessing of the preference models' authors as a pair of matrices that resize, crop and pad in one product
 * `rows · plane · columnsᵀ`. Its transpose is the backward pass.
 */
import { type Image, type ImageSize, planesFromImage } from '../image/image.ts';
import { resampleLevels } from '../image/pillow.ts';
import { resampleMatrix, resamplePlane } from '../image/resample.ts';
import { roundHalfToEven } from '../numbers.ts';

/**
 * The kinds of preprocessing:
 * - `torchvision`: shorter side to the network's side by Pillow's bicubic, centre crop; openai/CLIP, HPS v1, ImageReward
 * - `transformers`: the same, but the crop's corner is rounded down where torchvision rounds halves to even; PickScore
 * - `longest-side`: longer side to the network's side by torch's bicubic with antialiasing (no rounding to whole levels, values
 *   may overshoot), padded with black to a square around it; HPS v2 and v2.1
 */
export type Preprocessing = 'torchvision' | 'transformers' | 'longest-side';

/** A preprocessing for images of one size. */
export interface ImageView {
  /** `[side, image height]` */
  readonly rows: Float32Array;
  /** `[side, image width]` */
  readonly columns: Float32Array;
  /** Whether values are rounded to whole levels of 255 after each pass, as Pillow does. */
  readonly rounded: boolean;
}

/**
 * The view of an image of the given size.
 *
 * Reference: torchvision, transforms/functional.py (resize, center_crop); transformers 4, image_transforms.py (resize,
 * center_crop); tgxs002/HPSv2, open_clip/transform.py (ResizeMaxSize)
 *
 * @param side of the network's square input
 */
export function imageView(
  preprocessing: Preprocessing,
  { width, height }: ImageSize,
  side: number,
): ImageView {
  const axis = preprocessing === 'longest-side' ? paddedAxis : croppedAxis;
  const cropStart = preprocessing === 'torchvision' ? roundHalfToEven : Math.floor;
  return {
    rows: axis(height, width, side, cropStart),
    columns: axis(width, height, side, cropStart),
    rounded: preprocessing !== 'longest-side',
  };
}

/** Resizes the shorter axis to `side` and the other in proportion (rounded down), then takes the centre. */
function croppedAxis(length: number, other: number, side: number, round: (x: number) => number) {
  const resized = length <= other ? side : Math.floor((side * length) / other);
  const start = round((resized - side) / 2);
  return resampleMatrix(length, resized).slice(start * length, (start + side) * length);
}

/** Resizes the longer axis to `side` and the other in proportion (at least one pixel), between rows of zeros. */
function paddedAxis(length: number, other: number, side: number) {
  const resized = Math.max(1, roundHalfToEven(length * (side / Math.max(length, other))));
  const matrix = new Float32Array(side * length);
  matrix.set(resampleMatrix(length, resized), Math.floor((side - resized) / 2) * length);
  return matrix;
}

/**
 * Applies the preprocessing up to, and without, CLIP's mean and standard deviation.
 *
 * @returns planes `[3, side, side]`, red, green, blue in [0, 1]
 */
export function seenPlanes(image: Image, { rows, columns, rounded }: ImageView): Float32Array {
  const { width, height } = image;
  const side = rows.length / height;
  const planes = planesFromImage(image, [0, 255]);
  const view = new Float32Array(3 * side * side);
  for (let c = 0; c < 3; c++) {
    const plane = planes.subarray(c * width * height, (c + 1) * width * height);
    const small = rounded
      ? resampleLevels(Uint8Array.from(plane), width, rows, columns)
      : resamplePlane(plane, width, rows, columns);
    view.set(small, c * side * side);
  }
  return view.map((value) => value / 255);
}

/**
 * The gradient with respect to the image from the gradient with respect to the view. Pillow's rounding and clipping are
 * differentiated as the identity.
 *
 * @param gradient `[3, side, side]`
 * @returns `[3, height, width]`
 */
export function imageGradient(
  gradient: Float32Array,
  { width, height }: ImageSize,
  { rows, columns }: ImageView,
): Float32Array {
  const side = rows.length / height;
  const [back, across] = [transposed(rows, height), transposed(columns, width)];
  const whole = new Float32Array(3 * width * height);
  for (let c = 0; c < 3; c++) {
    const plane = gradient.subarray(c * side * side, (c + 1) * side * side);
    whole.set(resamplePlane(plane, side, back, across), c * width * height);
  }
  return whole;
}

/** `[rows, columns]` to `[columns, rows]`. */
function transposed(matrix: Float32Array, columns: number): Float32Array {
  const rows = matrix.length / columns;
  return Float32Array.from(matrix, (_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)]);
}
