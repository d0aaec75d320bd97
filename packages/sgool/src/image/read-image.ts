/** @file Reading images: BMP and PNM here; PNG, JPEG, WebP and whatever else the platform decodes (sharp on Node). */

import { files, imageDecoder } from '#platform';
import { UserError } from '../errors.ts';
import { SIZE_LIMITS } from '../platform/size-limits.ts';
import { isAnimated } from './animation.ts';
import { decodeBmp, isBmp } from './bmp.ts';
import type { AcceptSize, DecodedImage } from './decoded-image.ts';
import { type Colour, createImage, type Image } from './image.ts';
import { latin1Text, withoutTextChunks } from './png-chunk.ts';
import { decodePnm, isPnm } from './pnm.ts';

/** Largest image that is decoded, in pixels: 8192 x 8192. */
export const MAX_PIXELS = 2 ** 26;
/** Longest side that is decoded, in pixels; JPEG has no longer one. Resampling matrices grow with it. */
export const MAX_SIDE = 2 ** 16 - 1;

/** Most memory that decoding may take, in bytes: with the program around it, it stays below 500 MB. */
export const MAX_DECODING_BYTES = 384e6;

/** How an image is decoded. */
export interface ReadOptions {
  /** Default `MAX_PIXELS`. */
  readonly maxPixels?: number;
  /** CSS colour behind transparent parts. Default white. */
  readonly background?: string;
}

/**
 * What a decoder asks before it decodes a size.
 *
 * @param tooMuch the message where decoding needs more memory than `MAX_DECODING_BYTES`
 */
export function acceptUpTo(
  maxPixels: number,
  file: Uint8Array,
  tooMuch: (size: string, megabytes: number, most: number) => string,
): AcceptSize {
  return (width, height, bytesPerPixel = 3) => {
    const size = `${width} x ${height}`;
    if (Math.max(width, height) > MAX_SIDE)
      throw new UserError(`${size} has a side of more than ${MAX_SIDE} pixels; scale it down first`);
    if (width * height > maxPixels)
      throw new UserError(`${size} is more than ${maxPixels} pixels; scale it down first`);
    const needed = width * height * bytesPerPixel + file.length;
    if (needed <= MAX_DECODING_BYTES) return;
    const [megabytes, most] = [needed, MAX_DECODING_BYTES].map((bytes) => Math.ceil(bytes / 1e6));
    throw new UserError(tooMuch(size, megabytes, most));
  };
}

/**
 * Decodes an image: turned upright as its EXIF data says, sRGB, transparent parts over `background`.
 *
 * @param name of the image, for messages
 * @throws UserError when it is not an image, is broken, is a drawing (SVG), has several frames or pages, more than `maxPixels` pixels,
 *   a side of more than `MAX_SIDE`, or needs more than `MAX_DECODING_BYTES`
 */
export async function decodeImage(
  file: Uint8Array,
  name: string,
  { maxPixels = MAX_PIXELS, background = '#ffffff' }: ReadOptions = {},
): Promise<Image> {
  try {
    const accept = acceptUpTo(
      maxPixels,
      file,
      (size, megabytes, most) =>
        `${size} needs ${megabytes} MB to be decoded in this format, more than ${most} MB; scale it down first, or save it as a plain PNG or JPEG (not interlaced, not progressive, upright)`,
    );
    const { width, height, data } = await decodeAny(file, background, accept);
    return createImage(width, height, data);
  } catch (error) {
    if (error instanceof UserError) {
      throw new UserError(`cannot read ${name}: ${error.message}`, { cause: error });
    }
    const known = formatOf(file);
    if (known !== undefined) {
      throw new UserError(`cannot read ${name}: ${known}, which is not read; convert it to PNG or JPEG`, {
        cause: error,
      });
    }
    const [reason] = (error as Error).message.split('\n');
    throw new UserError(`cannot read ${name}: not an image or broken (${reason})`, { cause: error });
  }
}

/** What is said of a clip where one image is needed. */
const A_CLIP =
  'a clip, where a single image is needed; save one of its frames as a PNG (sgool refine, sgool score and sgool saliency take clips)';

async function decodeAny(file: Uint8Array, background: string, accept: AcceptSize): Promise<DecodedImage> {
  if (isPnm(file)) return decodePnm(file, accept);
  const drawing = drawingOf(file);
  if (drawing !== undefined) throw new UserError(`${drawing}, which is not read; export it as PNG`);
  if (!isBmp(file)) {
    // Only these reach the decoder: what else it knows, such as drawings, it finds in any text.
    if (!DECODED.test(startOf(file)))
      throw new Error(file.length === 0 ? 'it is empty' : 'its format is unknown');
    if (isAnimated(file)) throw new UserError(A_CLIP);
    return imageDecoder.decode(withoutTextChunks(file), background, accept);
  }
  try {
    return decodeBmp(file, colourOf(background), accept);
  } catch (error) {
    if (!(error instanceof UserError) || !error.message.startsWith('a BMP')) throw error;
    throw new UserError(`${error.message}, which is not read; convert it to PNG or JPEG`, { cause: error });
  }
}

/** How far into a file the first element of a drawing is looked for, in bytes. */
const SVG_HEAD = 4096;

/** What a file is that a decoder would render, if it is one: the filters of a drawing can compute for hours. */
function drawingOf(file: Uint8Array): string | undefined {
  const head = latin1Text(file.subarray(0, SVG_HEAD));
  if (/^(?:\xef\xbb\xbf)?\s*(?:<\?xml|<!--|<!DOCTYPE\s+svg|<svg|<\w+:svg)/i.test(head))
    return 'an SVG drawing';
  return head.startsWith('\x1f\x8b') ? 'a gzip file, such as a packed SVG drawing' : undefined;
}

/** `#rrggbb` as a colour. */
const colourOf = (css: string): Colour =>
  [1, 3, 5].map((at) => Number.parseInt(css.slice(at, at + 2), 16)) as never;

/** What the first bytes of files say that people take for images, or have as images, and that no decoder here reads. */
const SIGNATURES: readonly (readonly [start: number, bytes: string, what: string])[] = [
  [0, 'P7\n', 'a PAM file'],
  [0, 'Pf\n', 'a PFM file'],
  [0, 'PF\n', 'a PFM file'],
  [0, '8BPS', 'a Photoshop file'],
  [0, 'qoif', 'a QOI file'],
  [0, 'DDS ', 'a DDS texture'],
  [0, '\x76\x2f\x31\x01', 'an OpenEXR file'],
  [0, '#?RADIANCE', 'a Radiance HDR file'],
  [0, '\x00\x00\x01\x00', 'a Windows icon'],
  [0, '\xff\x0a', 'a JPEG XL file'],
  [4, 'JXL ', 'a JPEG XL file'],
  [4, 'ftypheic', 'a HEIC file'],
  [4, 'ftypmif1', 'a HEIF file'],
  [4, 'ftypisom', 'an MP4 video'],
  [4, 'ftypmp42', 'an MP4 video'],
  [0, 'gimp xcf', 'a GIMP file'],
  [0, '%PDF', 'a PDF file'],
  [0, '%!PS', 'a PostScript file'],
  [0, 'PK\x03\x04', 'a zip archive'],
  [0, 'version https://git-lfs', 'a Git LFS pointer (run: git lfs pull)'],
  [0, '<!DOCTYPE html', 'a web page'],
  [0, '<!doctype html', 'a web page'],
  [0, '<html', 'a web page'],
];

/** The first bytes of PNG, JPEG, GIF, WebP, TIFF, BigTIFF, and AVIF among the other files of boxes. */
const DECODED = /^(?:\x89PNG|\xff\xd8\xff|GIF8|RIFF....WEBP|II[*+]\0|MM\0[*+]|....ftyp)/s;

const startOf = (file: Uint8Array): string => latin1Text(file.subarray(0, 32));

function formatOf(file: Uint8Array): string | undefined {
  const start = startOf(file);
  return SIGNATURES.find(([at, bytes]) => start.startsWith(bytes, at))?.[2];
}

/**
 * Reads an image from a file (a URL in a browser); see `decodeImage`.
 *
 * @throws UserError also when the file cannot be read
 */
export async function readImage(path: string, options: ReadOptions = {}): Promise<Image> {
  return decodeImage(await files.readBytes(path, SIZE_LIMITS.picture), path, options);
}
