/** @file Reading images: PNG, JPEG, WebP and whatever else the platform decodes (sharp on Node). */

import { files, imageDecoder } from '#platform';
import { UserError } from '../errors.ts';
import { createImage, type Image } from './image.ts';

/** Largest image that is decoded, in pixels: 8192 x 8192. */
export const MAX_PIXELS = 2 ** 26;

/** How an image is decoded. */
export interface ReadOptions {
  /** Default `MAX_PIXELS`. */
  readonly maxPixels?: number;
  /** CSS colour behind transparent parts. Default white. */
  readonly background?: string;
}

/**
 * Decodes an image: turned upright as its EXIF data says, sRGB, transparent parts over `background`.
 *
 * @param name of the image, for messages
 * @throws UserError when it is not an image, is broken, or has more than `maxPixels` pixels
 */
export async function decodeImage(
  file: Uint8Array,
  name: string,
  { maxPixels = MAX_PIXELS, background = '#ffffff' }: ReadOptions = {},
): Promise<Image> {
  try {
    const { width, height, data } = await imageDecoder.decode(file, background, (width, height) => {
      if (width * height <= maxPixels) return;
      throw new UserError(
        `cannot read ${name}: ${width} x ${height} is more than ${maxPixels} pixels; scale it down first`,
      );
    });
    return createImage(width, height, data);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const [reason] = (error as Error).message.split('\n');
    throw new UserError(`cannot read ${name}: not an image or broken (${reason})`, { cause: error });
  }
}

/**
 * Reads an image from a file (a URL in a browser); see `decodeImage`.
 *
 * @throws UserError also when the file cannot be read
 */
export async function readImage(path: string, options: ReadOptions = {}): Promise<Image> {
  return decodeImage(await files.readBytes(path), path, options);
}
