/** @file Saliency models that do not depend on the image: a user's mask, the centre bias, and none. */
import { type Image, type ImageSize, planesFromImage } from '../image/image.ts';
import { resizeImage } from '../image/resize.ts';
import type { Detector } from './detector.ts';

/** The saliency model `mask`: the brightness of the user's mask in [0, 1], resized to the image. */
export function maskDetector(mask: Image): Detector {
  return {
    name: 'mask',
    async map({ width, height }) {
      const planes = planesFromImage(resizeImage(mask, width, height, 'bilinear'));
      const size = width * height;
      const data = new Float32Array(size);
      for (let i = 0; i < size; i++) data[i] = (planes[i] + planes[size + i] + planes[2 * size + i]) / 3;
      return { width, height, data };
    },
  };
}

/**
 * The saliency model `centre`: people tend to look at the centre of an image. A Gaussian with a standard deviation of a quarter
 * of each side.
 *
 * Reference: Tatler 2007, "The central fixation bias in scene viewing".
 */
export function centreDetector(): Detector {
  return {
    name: 'centre',
    map: async ({ width, height }) => ({ width, height, data: centreBias({ width, height }) }),
  };
}

/** `[height, width]`: the Gaussian, 1 in the middle. */
export function centreBias({ width, height }: ImageSize): Float32Array {
  const bell = (at: number, size: number) => Math.exp(-8 * ((at + 0.5) / size - 0.5) ** 2);
  return Float32Array.from(
    { length: width * height },
    (_, i) => bell(i % width, width) * bell(Math.floor(i / width), height),
  );
}

/** The saliency model `none`: nothing is salient, so that there are no regions and the whole image is all that counts. */
export function noDetector(): Detector {
  return {
    name: 'none',
    map: async ({ width, height }) => ({ width, height, data: new Float32Array(width * height) }),
  };
}
