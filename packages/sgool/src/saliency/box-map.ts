/** @file The saliency map of a saliency model that knows boxes. */
import type { CropBox } from '../image/crops.ts';
import type { ImageSize } from '../image/image.ts';
import { clamp } from '../numbers.ts';
import type { SaliencyMap } from './detector.ts';

/** A box in pixels of the image, and how salient it is. */
export interface SalientBox extends CropBox {
  /** In [0, 1]. */
  readonly saliency: number;
}

/**
 * Each pixel has the greatest saliency of the boxes that it lies in, 0 outside. Boxes are widened to whole pixels and cut at the image's
 * edges; what lies outside of the image altogether is left out.
 */
export function boxMap({ width, height }: ImageSize, boxes: readonly SalientBox[]): SaliencyMap {
  const data = new Float32Array(width * height);
  const inside = boxes.flatMap((box) => {
    const left = clamp(Math.floor(box.left), 0, width);
    const top = clamp(Math.floor(box.top), 0, height);
    const right = clamp(Math.ceil(box.left + box.width), 0, width);
    const bottom = clamp(Math.ceil(box.top + box.height), 0, height);
    if (right <= left || bottom <= top) return [];
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) data[y * width + x] = Math.max(data[y * width + x], box.saliency);
    }
    return [{ left, top, width: right - left, height: bottom - top }];
  });
  return { width, height, data, boxes: inside };
}
