/** @file What is shown of a result as a lossless file: a PNG, of a clip an animated one. */
import type { Image } from '../image.ts';
import { encodePng } from '../png.ts';
import { encodeApng } from './apng.ts';

/** An image, and all frames where it is one of a clip. */
export interface Shown {
  readonly image: Image;
  readonly frames?: readonly Image[] | undefined;
  readonly fps?: number | undefined;
}

/** A PNG file of what is shown: of a clip an animated one. Nothing is lost. */
export function encodeShown(
  { image, frames, fps = 1 }: Shown,
  text: Readonly<Record<string, string>> = {},
): Uint8Array {
  return frames ? encodeApng({ frames, fps }, { text }) : encodePng(image, { text });
}
