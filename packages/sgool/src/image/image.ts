/** @file Images: eight-bit RGB for display and files, planes of floats for networks. */
import { clamp } from '../numbers.ts';

/** Sides of an image in pixels. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/** Sides of a picture, or of each frame of a clip, in pixels. */
export interface ClipSize extends ImageSize {
  /** Number of frames, a whole number from 1. Absent or 1: a picture. */
  readonly frames?: number;
}

/** An eight-bit RGB image. */
export interface Image extends ImageSize {
  /** `height * width * 3` values, row by row, red green blue. */
  readonly data: Uint8Array;
}

/** A colour with parts from 0 to 255. */
export type Colour = readonly [red: number, green: number, blue: number];

/**
 * Makes an image.
 *
 * @param content its `height * width * 3` values, or one colour for all pixels (default black)
 * @throws RangeError when a side is not a whole number from 1, or the number of values does not fit
 */
export function createImage(width: number, height: number, content: Uint8Array | Colour = [0, 0, 0]): Image {
  if (!(Number.isSafeInteger(width) && Number.isSafeInteger(height) && width > 0 && height > 0)) {
    throw new RangeError(`createImage: sides must be whole numbers from 1, got ${width} x ${height}`);
  }
  if (content instanceof Uint8Array) {
    if (content.length !== width * height * 3) {
      throw new RangeError(
        `createImage: ${width} x ${height} needs ${width * height * 3} values, got ${content.length}`,
      );
    }
    return { width, height, data: content };
  }
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) data[i] = content[i % 3];
  return { width, height, data };
}

/** The values of black and white. */
export type ValueRange = readonly [black: number, white: number];

/**
 * Converts a network's output to an image: planes `[3, height, width]` (or `[1, 3, height, width]`), red, green, blue. Values
 * are clamped to the range, then rounded to whole levels.
 *
 * @param range the values of black and white: `[0, 1]`, or `[-1, 1]` for Stable Diffusion's decoder
 * @throws RangeError when the number of values does not fit the size
 */
export function imageFromPlanes(
  planes: ArrayLike<number>,
  width: number,
  height: number,
  [black, white]: ValueRange = [0, 1],
): Image {
  const size = width * height;
  if (planes.length !== 3 * size) {
    throw new RangeError(
      `imageFromPlanes: [3, ${height}, ${width}] needs ${3 * size} values, got ${planes.length}`,
    );
  }
  const data = new Uint8Array(3 * size);
  const scale = 255 / (white - black);
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) {
      const value = (planes[c * size + i] - black) * scale;
      data[3 * i + c] = Math.round(clamp(value, 0, 255));
    }
  }
  return createImage(width, height, data);
}

/**
 * Converts an image to planes `[3, height, width]`; the inverse of {@link imageFromPlanes}.
 *
 * @param range the values of black and white
 */
export function planesFromImage(
  { width, height, data }: Image,
  [black, white]: ValueRange = [0, 1],
): Float32Array<ArrayBuffer> {
  const size = width * height;
  const planes = new Float32Array(3 * size);
  const scale = (white - black) / 255;
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) planes[c * size + i] = data[3 * i + c] * scale + black;
  }
  return planes;
}
