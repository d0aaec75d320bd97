/** @file Writing PNG files. */

import { compression } from '#platform';
import { concatBytes } from '../platform/bytes.ts';
import type { Image, ImageSize } from './image.ts';
import { PNG_SIGNATURE, pngChunk } from './png-chunk.ts';
import { pngTextChunk } from './png-text.ts';

const BYTES_PER_PIXEL = 3;

/** The neighbour (left, above, above left) closest to left + above - above left. */
function paeth(left: number, above: number, corner: number): number {
  const toLeft = Math.abs(above - corner);
  const toAbove = Math.abs(left - corner);
  const toCorner = Math.abs(left + above - 2 * corner);
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}

/** PNG's five row filters: the prediction that is subtracted from a value, given its neighbours. */
const FILTERS: readonly ((left: number, above: number, corner: number) => number)[] = [
  () => 0,
  (left) => left,
  (_, above) => above,
  (left, above) => (left + above) >> 1,
  paeth,
];

/** Filters each row with the filter that leaves the smallest differences, the usual heuristic for photographs. */
function filterRows({ width, height, data }: Image): Uint8Array {
  const stride = width * BYTES_PER_PIXEL;
  const out = new Uint8Array(height * (stride + 1));
  const candidate = new Uint8Array(stride);
  for (let y = 0; y < height; y++) {
    let bestCost = Number.POSITIVE_INFINITY;
    FILTERS.forEach((predict, filter) => {
      let cost = 0;
      for (let i = 0; i < stride; i++) {
        const at = y * stride + i;
        const left = i >= BYTES_PER_PIXEL ? data[at - BYTES_PER_PIXEL] : 0;
        const above = y > 0 ? data[at - stride] : 0;
        const corner = y > 0 && i >= BYTES_PER_PIXEL ? data[at - stride - BYTES_PER_PIXEL] : 0;
        const difference = (data[at] - predict(left, above, corner)) & 0xff;
        candidate[i] = difference;
        cost += difference < 128 ? difference : 256 - difference;
      }
      if (cost >= bestCost) return;
      bestCost = cost;
      out[y * (stride + 1)] = filter;
      out.set(candidate, y * (stride + 1) + 1);
    });
  }
  return out;
}

/** The header of a PNG file of this size: eight bits, RGB. */
export function pngHeader({ width, height }: ImageSize): Uint8Array {
  const header = new Uint8Array(13);
  const sizes = new DataView(header.buffer);
  sizes.setUint32(0, width);
  sizes.setUint32(4, height);
  header.set([8, 2, 0, 0, 0], 8); // eight bits, RGB, deflate, adaptive filters, not interlaced
  return pngChunk('IHDR', header);
}

/** The pixels of an image as a PNG file holds them: rows filtered, then in zlib format. */
export const pngPixels = (image: Image): Uint8Array => compression.deflate(filterRows(image));

/** Chunks with texts by keyword. @throws RangeError when a keyword or text cannot be stored */
export const pngTexts = (text: Readonly<Record<string, string>>): Uint8Array[] =>
  Object.entries(text).map(([keyword, value]) => pngTextChunk(keyword, value));

/** The last chunk of a PNG file. */
export const pngEnd = (): Uint8Array => pngChunk('IEND', new Uint8Array(0));

/**
 * Encodes an image as a PNG file: eight bits, RGB.
 *
 * @param text texts by keyword, stored before the image's data: Latin-1 as tEXt, any other as iTXt
 * @throws RangeError when a keyword or text cannot be stored
 */
export function encodePng(
  image: Image,
  { text = {} }: { text?: Readonly<Record<string, string>> } = {},
): Uint8Array {
  return concatBytes([
    PNG_SIGNATURE,
    pngHeader(image),
    ...pngTexts(text),
    pngChunk('IDAT', pngPixels(image)),
    pngEnd(),
  ]);
}
