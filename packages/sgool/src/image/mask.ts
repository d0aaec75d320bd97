/** @file Masks: the pixels and latent elements that may change, and the weights of a soft edge. */
import { maximum, product } from '../numbers.ts';
import { createImage, type Image } from './image.ts';

/**
 * 1 for each pixel that may change: those brighter than middle grey, or the others where the mask is inverted. Colours count by
 * their luma, in whole numbers as Pillow computes it.
 *
 * Reference: Pillow, src/libImaging/Convert.c (rgb2l); diffusers, VaeImageProcessor (do_convert_grayscale, do_binarize)
 */
export function mayChange({ width, height, data }: Image, inverted: boolean): Uint8Array {
  const open = new Uint8Array(width * height);
  for (let i = 0; i < open.length; i++) {
    const luma = (19595 * data[3 * i] + 38470 * data[3 * i + 1] + 7471 * data[3 * i + 2] + 32768) >> 16;
    open[i] = luma >= 128 === inverted ? 0 : 1;
  }
  return open;
}

/**
 * 1 for each element of a latent that may change: those that cover at least one pixel that may change. Along the edge of the
 * mask this is more than the mask allows; there the result is composited from both images.
 *
 * @param latentShape `[1, channels, height, width]`; of a clip, whose frames have one mask, `[1, channels, frames, height, width]`
 */
export function openElements(open: Uint8Array, width: number, latentShape: readonly number[]): Uint8Array {
  const [rows, columns] = latentShape.slice(-2);
  const side = width / columns;
  const plane = new Uint8Array(rows * columns);
  open.forEach((value, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    if (value) plane[Math.floor(y / side) * columns + Math.floor(x / side)] = 1;
  });
  const elements = new Uint8Array(product(latentShape));
  for (let at = 0; at < elements.length; at += plane.length) elements.set(plane, at);
  return elements;
}

/**
 * The weight of the new image in each pixel: 0 where the mask protects, from there rising to 1 over `feather` pixels. Where the
 * mask is too narrow for that, the edge is narrower.
 *
 * @param feather width of the edge in pixels
 * @returns `[height, width]` in [0, 1]
 */
export function softEdge(open: Uint8Array, width: number, feather: number): Float32Array {
  const distance = distanceInside(open, width);
  const reach = Math.min(feather, maximum(distance));
  return distance.map((value) => (reach > 0 ? Math.min(1, value / (reach + 1)) : Math.min(1, value)));
}

/**
 * Distance of each open pixel to the nearest closed one, in pixels; large where there is none. The border of the image does
 * not count as closed.
 *
 * Reference: Borgefors 1986, "Distance Transformations in Digital Images", the chamfer distance with 3 and 4.
 */
function distanceInside(open: Uint8Array, width: number): Float32Array {
  const height = open.length / width;
  const distance = Float32Array.from(open, (value) => (value ? Number.MAX_SAFE_INTEGER : 0));
  const relax = (x: number, y: number, dx: number, dy: number, step: number) => {
    if (x + dx < 0 || x + dx >= width || y + dy < 0 || y + dy >= height) return;
    const at = y * width + x;
    distance[at] = Math.min(distance[at], distance[at + dy * width + dx] + step);
  };
  const sweep = (x: number, y: number, back: 1 | -1) => {
    relax(x, y, -back, 0, 3);
    relax(x, y, 0, -back, 3);
    relax(x, y, -back, -back, 4);
    relax(x, y, back, -back, 4);
  };
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) sweep(x, y, 1);
  for (let y = height - 1; y >= 0; y--) for (let x = width - 1; x >= 0; x--) sweep(x, y, -1);
  return distance.map((value) => value / 3);
}

/** `weight · above + (1 - weight) · below` for each pixel. Where the weight is 0, the bytes of `below` are kept. */
export function composite(below: Image, above: Image, weights: Float32Array): Image {
  const data = below.data.map((value, i) => {
    const weight = weights[Math.floor(i / 3)];
    return Math.round(value + weight * (above.data[i] - value));
  });
  return createImage(below.width, below.height, data);
}
