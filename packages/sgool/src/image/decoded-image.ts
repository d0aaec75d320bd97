/** @file What the decoders of image files have in common. */
import type { Image } from './image.ts';

export type DecodedImage = Image;

/**
 * Called with the sides before anything is allocated for them; throws where they are too large.
 *
 * @param bytesPerPixel memory that decoding takes, the decoded pixels included. Default: those alone
 */
export type AcceptSize = (width: number, height: number, bytesPerPixel?: number) => void;
