/** @file The part of an image around a region, enlarged to the size of the model, and the repainted part put back. */
import { type CropBox, cutOut } from '../../image/crops.ts';
import { createImage, type Image, type ImageSize } from '../../image/image.ts';
import { letterboxPlacement } from '../../image/letterbox.ts';
import { composite, mayChange, softEdge } from '../../image/mask.ts';
import { resizeImage } from '../../image/resize.ts';
import type { MaskedImage } from '../../models/backbone.ts';
import { clamp } from '../../numbers.ts';
import { letterboxed } from '../edit/fit-image.ts';
import type { RepaintMask } from './region-masks.ts';

/** Pixels of the model for one of the image, where a part of an image fills the size of the model. */
export const enlargement = (crop: CropBox, size: ImageSize): number =>
  Math.min(size.width / crop.width, size.height / crop.height);

/**
 * The box with a margin, widened to the proportions of the size, as far as the image reaches.
 *
 * Reference: AUTOMATIC1111/stable-diffusion-webui, modules/masking.py (expand_crop_region)
 *
 * @param padding margin on each side, in pixels of the image
 */
export function cropAround(box: CropBox, padding: number, image: ImageSize, size: ImageSize): CropBox {
  const across = padded(box.left, box.width, padding, image.width);
  const down = padded(box.top, box.height, padding, image.height);
  const proportion = size.width / size.height;
  const isWide = across.length / down.length > proportion;
  const { begin: left, length: width } = isWide
    ? across
    : widened(across, Math.round(down.length * proportion), image.width);
  const { begin: top, length: height } = isWide
    ? widened(down, Math.round(across.length / proportion), image.height)
    : down;
  return { left, top, width, height };
}

interface Range {
  readonly begin: number;
  readonly length: number;
}

function padded(begin: number, length: number, padding: number, limit: number): Range {
  const from = Math.max(0, begin - padding);
  return { begin: from, length: Math.min(limit, begin + length + padding) - from };
}

/** The range made longer around its middle, moved into `[0, limit)`. */
function widened({ begin, length }: Range, wanted: number, limit: number): Range {
  const longer = clamp(wanted, length, limit);
  return { begin: clamp(begin - Math.floor((longer - length) / 2), 0, limit - longer), length: longer };
}

/**
 * Enlarges a part of an image to a size. A part of another shape than the size is surrounded by its own edges, which do not change.
 *
 * @param crop in whole pixels, inside the image
 */
export function enlargeCrop(
  image: Image,
  { open }: RepaintMask,
  crop: CropBox,
  size: ImageSize,
): MaskedImage {
  const painted = Uint8Array.from(image.data, (_, i) => 255 * open[Math.floor(i / 3)]);
  const mask = cutOut(createImage(image.width, image.height, painted), crop);
  return {
    images: [letterboxed(cutOut(image, crop), size)],
    open: mayChange(letterboxed(mask, size, 0), false),
  };
}

/**
 * Puts the repainted part back: `weight · repainted + (1 - weight) · image`, the weight rising from 0 at the edge of the mask to 1 over
 * `feather` pixels inside of it. Pixels outside of the mask keep their bytes.
 *
 * @param repainted in the size of the model
 * @param crop the part that it shows
 */
export function putBack(
  image: Image,
  repainted: Image,
  crop: CropBox,
  { open }: RepaintMask,
  feather: number,
): Image {
  const place = letterboxPlacement(crop, repainted);
  const inner = cutOut(repainted, { left: place.x, top: place.y, width: place.width, height: place.height });
  const part = resizeImage(inner, crop.width, crop.height);
  const data = image.data.slice();
  for (let y = 0; y < crop.height; y++) {
    const row = part.data.subarray(3 * y * crop.width, 3 * (y + 1) * crop.width);
    data.set(row, 3 * ((crop.top + y) * image.width + crop.left));
  }
  const above = createImage(image.width, image.height, data);
  return composite(image, above, softEdge(open, image.width, feather));
}
