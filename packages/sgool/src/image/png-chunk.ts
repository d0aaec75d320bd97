/**
 * @file The chunks that a PNG file consists of.
 *
 * Reference: W3C, Portable Network Graphics (third edition), 5.3 (chunk layout), annex D (CRC)
 */
import { concatBytes } from '../platform/bytes.ts';

/** The first eight bytes of every PNG file. */
export const PNG_SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** Whether a file begins as PNG files do. */
export const isPng = (file: Uint8Array): boolean => PNG_SIGNATURE.every((byte, i) => file[i] === byte);

/** The CRC of each byte value: eight steps of the polynomial of CRC-32. */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});

/** CRC-32 of some bytes. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** Text as Latin-1 bytes; every character must be below U+0100. */
export const latin1Bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** Latin-1 bytes as text. */
export function latin1Text(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/**
 * One chunk: length, type, content, checksum of type and content.
 *
 * @param type four letters, such as `IHDR`
 */
export function pngChunk(type: string, content: Uint8Array): Uint8Array {
  const chunk = new Uint8Array(12 + content.length);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, content.length);
  chunk.set(latin1Bytes(type), 4);
  chunk.set(content, 8);
  view.setUint32(8 + content.length, crc32(chunk.subarray(4, 8 + content.length)));
  return chunk;
}

/** Chunks with text. A decoder needs none of them, and unpacks compressed ones into as much memory as they name. */
const TEXT_CHUNKS = new Set(['tEXt', 'zTXt', 'iTXt']);

/** A PNG file without its text chunks; any other file, and what follows a broken chunk, as it is. */
export function withoutTextChunks(file: Uint8Array): Uint8Array {
  if (!isPng(file)) return file;
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const kept: Uint8Array[] = [];
  let from = 0;
  let at = PNG_SIGNATURE.length;
  while (at + 12 <= file.length) {
    const end = at + 12 + view.getUint32(at);
    if (end > file.length) break;
    if (TEXT_CHUNKS.has(latin1Text(file.subarray(at + 4, at + 8)))) {
      kept.push(file.subarray(from, at));
      from = end;
    }
    at = end;
  }
  return kept.length === 0 ? file : concatBytes([...kept, file.subarray(from)]);
}
