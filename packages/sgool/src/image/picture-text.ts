/** @file The texts of a picture, by keyword, wherever its format keeps them. */
import { decodeExif, encodeExif } from './exif.ts';
import { PARAMETERS_KEYWORD, SGOOL_KEYWORD } from './parameters.ts';
import { readPngText } from './png-text.ts';
import { isWebp, webpExif, withWebpExif } from './webp-exif.ts';

/** Texts by keyword: all of a PNG file; `parameters` and `sgool` of a WebP file. A file of another format has none. */
export function readPictureText(file: Uint8Array): Record<string, string> {
  if (!isWebp(file)) return readPngText(file);
  const { comment, description } = decodeExif(webpExif(file) ?? new Uint8Array(0));
  return {
    ...(comment && { [PARAMETERS_KEYWORD]: comment }),
    ...(description && { [SGOOL_KEYWORD]: description }),
  };
}

/** A WebP file with the texts `parameters` and `sgool`. @throws RangeError where it has no extended header */
export function withWebpText(file: Uint8Array, text: Readonly<Record<string, string>>): Uint8Array {
  const { [PARAMETERS_KEYWORD]: comment, [SGOOL_KEYWORD]: description } = text;
  return withWebpExif(file, encodeExif({ comment, description }));
}
