/**
 * @file Text in PNG files. Text chunks are placed right after IHDR, because common readers (sharp for one) do not read past
 * the image's data.
 * Reference: W3C, Portable Network Graphics (third edition), 11.3.3
 */

import { compression } from '#platform';
import { concatBytes } from '../platform/bytes.ts';
import { isPng, latin1Bytes, latin1Text, pngChunk } from './png-chunk.ts';

/** Longest text that is unpacked from a compressed chunk, in bytes. */
const MAX_TEXT_BYTES = 16_000_000;

/** A text chunk: tEXt when the text is Latin-1, iTXt (UTF-8) otherwise, as Pillow chooses. */
export function pngTextChunk(keyword: string, text: string): Uint8Array {
  if (!/^[\x20-\x7e\xa1-\xff]{1,79}$/.test(keyword) || text.includes('\0')) {
    throw new RangeError(
      `pngTextChunk: keyword or text cannot be stored, got keyword ${JSON.stringify(keyword)}`,
    );
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range is Latin-1 itself
  if (/^[\x00-\xff]*$/.test(text)) return pngChunk('tEXt', latin1Bytes(`${keyword}\0${text}`));
  // Not compressed, no language, no translated keyword.
  const head = latin1Bytes(`${keyword}\0\0\0\0\0`);
  return pngChunk('iTXt', concatBytes([head, new TextEncoder().encode(text)]));
}

const inflate = (bytes: Uint8Array) => compression.inflate(bytes, MAX_TEXT_BYTES);
const utf8Text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function parseText(type: string, content: Uint8Array): [keyword: string, text: string] | undefined {
  const end = content.indexOf(0);
  if (end < 1) return undefined;
  const keyword = latin1Text(content.subarray(0, end));
  const rest = content.subarray(end + 1);
  if (type === 'tEXt') return [keyword, latin1Text(rest)];
  if (type === 'zTXt') return [keyword, latin1Text(inflate(rest.subarray(1)))];
  const languageEnd = rest.indexOf(0, 2);
  const translatedEnd = rest.indexOf(0, languageEnd + 1);
  if (languageEnd < 0 || translatedEnd < 0) return undefined;
  const text = rest.subarray(translatedEnd + 1);
  return [keyword, utf8Text(rest[0] === 1 ? inflate(text) : text)];
}

/**
 * Reads the texts of a PNG file by keyword. A file that is not a PNG has none; a broken chunk is skipped, because the image
 * may still be useful.
 */
export function readPngText(file: Uint8Array): Record<string, string> {
  const texts: Record<string, string> = {};
  if (!isPng(file)) return texts;
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  for (let at = 8; at + 12 <= file.length; ) {
    const length = view.getUint32(at);
    const type = latin1Text(file.subarray(at + 4, at + 8));
    if (type === 'IEND' || at + 12 + length > file.length) break;
    if (type === 'tEXt' || type === 'zTXt' || type === 'iTXt') {
      try {
        const parsed = parseText(type, file.subarray(at + 8, at + 8 + length));
        if (parsed !== undefined) texts[parsed[0]] = parsed[1];
      } catch {
        // compressed text that cannot be unpacked
      }
    }
    at += 12 + length;
  }
  return texts;
}
