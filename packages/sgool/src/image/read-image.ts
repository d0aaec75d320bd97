/** @file Reading images that people bring: PNG, JPEG, WebP and whatever else sharp knows. */

import { readFile } from 'node:fs/promises';
import { UserError } from '../errors.ts';
import { createImage, type Image } from './image.ts';

/** Largest image that is decoded, in pixels: 8192 x 8192. */
export const MAX_PIXELS = 2 ** 26;

export interface ReadOptions {
  /** Default `MAX_PIXELS`. */
  readonly maxPixels?: number;
  /** Colour behind transparent parts. Default white. */
  readonly background?: string;
}

/**
 * Decodes an image: turned upright as its EXIF data says, sRGB, transparent parts over `background`.
 *
 * @param name names the image in messages
 * @throws UserError when it is no image, is broken, or has more than `maxPixels` pixels
 */
export async function decodeImage(
  file: Uint8Array,
  name: string,
  { maxPixels = MAX_PIXELS, background = '#ffffff' }: ReadOptions = {},
): Promise<Image> {
  const { default: sharp } = await import('sharp');
  const open = () => sharp(file, { limitInputPixels: false, failOn: 'error' });
  try {
    const { width, height } = await open().metadata();
    if (width * height > maxPixels) {
      throw new UserError(
        `cannot read ${name}: ${width} x ${height} is more than ${maxPixels} pixels; scale it down first`,
      );
    }
    const { data, info } = await open()
      .autoOrient()
      .flatten({ background })
      .toColourspace('srgb')
      .removeAlpha()
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return createImage(info.width, info.height, new Uint8Array(data.buffer, data.byteOffset, data.length));
  } catch (error) {
    if (error instanceof UserError) throw error;
    const reason = (error as Error).message.split('\n')[0];
    throw new UserError(`cannot read ${name}: not an image or broken (${reason})`, { cause: error });
  }
}

/**
 * Reads an image from a file; see `decodeImage`.
 *
 * @throws UserError when the file cannot be read, too
 */
export async function readImage(path: string, options: ReadOptions = {}): Promise<Image> {
  const file = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    const reason = cause.code === 'ENOENT' ? 'the file does not exist' : cause.message;
    throw new UserError(`cannot read ${path}: ${reason}`, { cause });
  });
  return decodeImage(file, path, options);
}
