/** @file Resizing images outside of differentiable programs. */

import { createImage, type Image, imageFromPlanes, planesFromImage } from './image.ts';
import { type ResampleFilter, resampleColumns, resampleMatrix, resampleRows } from './resample.ts';

function resizeNearest({ width, height, data }: Image, outWidth: number, outHeight: number): Image {
  const out = new Uint8Array(outWidth * outHeight * 3);
  for (let y = 0; y < outHeight; y++) {
    const fromY = Math.floor(((y + 0.5) * height) / outHeight);
    for (let x = 0; x < outWidth; x++) {
      const from = 3 * (fromY * width + Math.floor(((x + 0.5) * width) / outWidth));
      out.set(data.subarray(from, from + 3), 3 * (y * outWidth + x));
    }
  }
  return createImage(outWidth, outHeight, out);
}

/**
 * Resizes an image, as Pillow's `resize` does (to within one level of 255).
 *
 * @param width of the result, in pixels
 * @param height of the result, in pixels
 * @param filter `nearest` copies pixels instead of mixing them
 */
export function resizeImage(
  image: Image,
  width: number,
  height: number,
  filter: ResampleFilter | 'nearest' = 'bicubic',
): Image {
  if (width === image.width && height === image.height) return image;
  if (filter === 'nearest') return resizeNearest(image, width, height);
  const columns = resampleMatrix(image.width, width, { filter });
  const rows = resampleMatrix(image.height, height, { filter });
  const planes = planesFromImage(image, [0, 255]);
  const size = image.width * image.height;
  const out = new Float32Array(3 * width * height);
  for (let c = 0; c < 3; c++) {
    // Pillow keeps eight bits between the two passes, which clips the overshoot of a cubic.
    const narrow = resampleRows(planes.subarray(c * size, (c + 1) * size), image.width, columns);
    const clipped = Float32Array.from(Uint8ClampedArray.from(narrow));
    out.set(resampleColumns(clipped, width, rows), c * width * height);
  }
  return imageFromPlanes(out, width, height, [0, 255]);
}
