/** @file An image of any size, or the frames of a clip, in the size of the model, with its mask. */
import { cutOut } from '../../image/crops.ts';
import { createImage, type Image, type ImageSize } from '../../image/image.ts';
import { letterboxPlacement } from '../../image/letterbox.ts';
import { mayChange } from '../../image/mask.ts';
import { resizeImage } from '../../image/resize.ts';

/** The parts of a request that decide how its image is fitted. */
export interface ImageRequest {
  /** One of a picture; all frames of a clip, which have one size. */
  readonly images: readonly Image[];
  /** White where the image may change; the same in all frames. */
  readonly mask?: Image | undefined;
  /** For an image of another shape: its middle, or all of it with its edges extended. */
  readonly fit: 'crop' | 'letterbox';
  /** Whether black may change, and white is protected. */
  readonly invertMask: boolean;
}

export interface PreparedImage {
  /** One of a picture, all frames of a clip. */
  readonly images: readonly Image[];
  /** 1 for each pixel that may change; absent where all may. */
  readonly open?: Uint8Array;
}

/** An image that shrinks by more than this is averaged over blocks first: far less work, and no visible difference. */
const REDUCING_GAP = 4;

/** Images and mask in the size of the model. */
export function prepareImage(request: ImageRequest, size: ImageSize): PreparedImage {
  const { images, mask, fit, invertMask } = request;
  const [image] = images;
  const crops = fit === 'crop' || sameShape(image, size);
  const fitted = (source: Image, border?: number) =>
    crops ? cropped(source, size) : letterboxed(source, size, border);
  const prepared = { images: images.map((one) => fitted(one)) };
  // The extension of the letterbox is protected, with and without a mask.
  const border = invertMask ? 255 : 0;
  if (mask !== undefined) return { ...prepared, open: mayChange(fitted(mask, border), invertMask) };
  if (crops) return prepared;
  const place = letterboxPlacement(image, size);
  const open = Uint8Array.from({ length: size.width * size.height }, (_, i) => {
    const [x, y] = [(i % size.width) - place.x, Math.floor(i / size.width) - place.y];
    return x >= 0 && x < place.width && y >= 0 && y < place.height ? 1 : 0;
  });
  return { ...prepared, open };
}

/** Lines for the user about how the image was fitted; none if it was not scaled. */
export function fittingNotes({ images: [image], fit }: ImageRequest, size: ImageSize): string[] {
  const { width, height } = image;
  if (width === size.width && height === size.height) return [];
  const scaled = `the image is ${width} x ${height}, scaled to ${size.width} x ${size.height}`;
  const notes = [sameShape(image, size) ? scaled : `${scaled}: ${shapeNote(image, size, fit)}`];
  if (Math.max(size.width / width, size.height / height) >= 2)
    notes.push('it is much smaller than the images of the model, so the result will look soft');
  return notes;
}

function shapeNote({ width, height }: Image, size: ImageSize, fit: ImageRequest['fit']): string {
  const isWide = width / height > size.width / size.height;
  if (fit === 'letterbox') {
    const where = isWide ? 'above and below' : 'left and right';
    return `its edges are extended ${where}, and the extension does not change`;
  }
  const lost = isWide ? 'left and right' : 'top and bottom';
  return `${lost} are cut off; fit letterbox keeps them, and size gives the result another shape`;
}

/** Whether the scaled image fills the size without losing a row or a column. */
function sameShape({ width, height }: ImageSize, size: ImageSize): boolean {
  const scale = Math.max(size.width / width, size.height / height);
  return Math.round(width * scale) === size.width && Math.round(height * scale) === size.height;
}

/** The largest part from the middle that has the shape of the size, scaled. */
function cropped(image: Image, { width, height }: ImageSize): Image {
  const scale = Math.min(image.width / width, image.height / height);
  const wide = Math.min(image.width, Math.max(1, Math.round(width * scale)));
  const high = Math.min(image.height, Math.max(1, Math.round(height * scale)));
  const left = Math.floor((image.width - wide) / 2);
  const top = Math.floor((image.height - high) / 2);
  return scaled(cutOut(image, { left, top, width: wide, height: high }), width, height);
}

/** The whole image in the middle, surrounded by `border` or by the nearest pixels of its edges. */
export function letterboxed(image: Image, size: ImageSize, border?: number): Image {
  const { width, height } = size;
  const { x: left, y: top, width: wide, height: high } = letterboxPlacement(image, size);
  const inner = scaled(image, wide, high);
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    const innerY = Math.min(high - 1, Math.max(0, y - top));
    for (let x = 0; x < width; x++) {
      const innerX = Math.min(wide - 1, Math.max(0, x - left));
      const isInside = innerY === y - top && innerX === x - left;
      const from = 3 * (innerY * wide + innerX);
      for (let c = 0; c < 3; c++) {
        const value = isInside || border === undefined ? inner.data[from + c] : border;
        data[3 * (y * width + x) + c] = value;
      }
    }
  }
  return createImage(width, height, data);
}

/** Bicubic resize; an image that is many times larger is averaged over blocks first. */
function scaled(image: Image, width: number, height: number): Image {
  const factor = Math.floor(Math.min(image.width / width, image.height / height) / REDUCING_GAP);
  return resizeImage(factor > 1 ? averaged(image, factor) : image, width, height);
}

/** Means of blocks of `factor` x `factor` pixels; incomplete blocks at the right and the bottom are left out. */
function averaged({ width, height, data }: Image, factor: number): Image {
  const wide = Math.floor(width / factor);
  const high = Math.floor(height / factor);
  const sums = new Float64Array(3 * wide * high);
  for (let y = 0; y < high * factor; y++) {
    const row = 3 * wide * Math.floor(y / factor);
    let from = 3 * y * width;
    for (let to = row; to < row + 3 * wide; to += 3) {
      let [red, green, blue] = [0, 0, 0];
      for (const end = from + 3 * factor; from < end; from += 3) {
        red += data[from];
        green += data[from + 1];
        blue += data[from + 2];
      }
      sums[to] += red;
      sums[to + 1] += green;
      sums[to + 2] += blue;
    }
  }
  return createImage(
    wide,
    high,
    Uint8Array.from(sums, (sum) => Math.round(sum / factor ** 2)),
  );
}
