/**
 * @file TranSalNet's letterbox: an image fitted into a canvas of fixed size, and a map of the canvas cropped back to the image.
 * Reference: LJOVO/TranSalNet, utils/data_process.py (`preprocess_img`, `postprocess_img`)
 */

import type { ImageSize } from './image.ts';
import { bilinearMatrix, resamplePlane } from './resample.ts';

/** The input size of the published TranSalNet. */
export const TRANSALNET_CANVAS: ImageSize = { width: 384, height: 288 };

/** Value of the borders, in [0, 1]: TranSalNet fills them with the byte 1. */
export const LETTERBOX_FILL = 1 / 255;

/** Where an image lies on the canvas, in pixels. */
export interface Placement extends ImageSize {
  x: number;
  y: number;
}

/** The largest centred rectangle of the canvas with the image's proportions. */
export function letterboxPlacement(
  { width, height }: ImageSize,
  canvas: ImageSize = TRANSALNET_CANVAS,
): Placement {
  if (height / canvas.height > width / canvas.width) {
    const fitted = Math.max(1, Math.floor((width * canvas.height) / height));
    return { x: Math.floor((canvas.width - fitted) / 2), y: 0, width: fitted, height: canvas.height };
  }
  const fitted = Math.max(1, Math.floor((height * canvas.width) / width));
  return { x: 0, y: Math.floor((canvas.height - fitted) / 2), width: canvas.width, height: fitted };
}

/** Pads a matrix `[size, inSize]` with rows of zeros before and after to `[outSize, inSize]`. */
function padRows(matrix: Float32Array, inSize: number, before: number, outSize: number) {
  const padded = new Float32Array(outSize * inSize);
  padded.set(matrix, before * inSize);
  return padded;
}

/** A letterbox or its inverse as matrices for `rows · X · columnsᵀ`. */
export interface LetterboxMatrices {
  /** `[outHeight, height]` */
  rows: Float32Array<ArrayBuffer>;
  /** `[outWidth, width]` */
  columns: Float32Array<ArrayBuffer>;
}

/**
 * The letterbox as `rows · X · columnsᵀ`. The borders become 0; add `letterboxBorder` to fill them.
 */
export function letterboxMatrices(
  image: ImageSize,
  canvas: ImageSize = TRANSALNET_CANVAS,
): LetterboxMatrices {
  const { x, y, width, height } = letterboxPlacement(image, canvas);
  return {
    rows: padRows(bilinearMatrix(image.height, height), image.height, y, canvas.height),
    columns: padRows(bilinearMatrix(image.width, width), image.width, x, canvas.width),
  };
}

/** A plane `[canvasHeight, canvasWidth]`: `LETTERBOX_FILL` in the borders, 0 where the image lies. */
export function letterboxBorder(
  image: ImageSize,
  canvas: ImageSize = TRANSALNET_CANVAS,
): Float32Array<ArrayBuffer> {
  const { x, y, width, height } = letterboxPlacement(image, canvas);
  const border = new Float32Array(canvas.width * canvas.height).fill(LETTERBOX_FILL);
  for (let row = y; row < y + height; row++)
    border.fill(0, row * canvas.width + x, row * canvas.width + x + width);
  return border;
}

/**
 * The inverse: a map of the canvas becomes a map of the image's size. The canvas is enlarged until it covers the image, then
 * the borders are cropped.
 */
export function undoLetterboxMatrices(
  image: ImageSize,
  canvas: ImageSize = TRANSALNET_CANVAS,
): LetterboxMatrices {
  const { width, height } = image;
  const cut = (matrix: Float32Array<ArrayBuffer>, inSize: number, size: number, kept: number) => {
    const first = Math.floor((size - kept) / 2);
    return matrix.slice(first * inSize, (first + kept) * inSize);
  };
  if (height / canvas.height > width / canvas.width) {
    const wide = Math.max(width, Math.floor((canvas.width * height) / canvas.height));
    return {
      rows: bilinearMatrix(canvas.height, height),
      columns: cut(bilinearMatrix(canvas.width, wide), canvas.width, wide, width),
    };
  }
  const high = Math.max(height, Math.floor((canvas.height * width) / canvas.width));
  return {
    rows: cut(bilinearMatrix(canvas.height, high), canvas.height, high, height),
    columns: bilinearMatrix(canvas.width, width),
  };
}

/** Puts planes `[channels, height, width]` in [0, 1] on the canvas: `[channels, canvasHeight, canvasWidth]`. */
export function letterboxPlanes(
  planes: Float32Array,
  image: ImageSize,
  canvas: ImageSize = TRANSALNET_CANVAS,
) {
  const size = image.width * image.height;
  const area = canvas.width * canvas.height;
  const { rows, columns } = letterboxMatrices(image, canvas);
  const border = letterboxBorder(image, canvas);
  const out = new Float32Array((planes.length / size) * area);
  for (let c = 0; c * size < planes.length; c++) {
    const placed = resamplePlane(planes.subarray(c * size, (c + 1) * size), image.width, rows, columns);
    out.set(
      placed.map((value, i) => value + border[i]),
      c * area,
    );
  }
  return out;
}

/** Crops a map `[canvasHeight, canvasWidth]` to the image: `[height, width]`. */
export function undoLetterbox(map: Float32Array, image: ImageSize, canvas: ImageSize = TRANSALNET_CANVAS) {
  const { rows, columns } = undoLetterboxMatrices(image, canvas);
  return resamplePlane(map, canvas.width, rows, columns);
}
