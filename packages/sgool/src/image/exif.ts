/**
 * @file Texts as EXIF data: `parameters` where AUTOMATIC1111's web UI and tools like it write it (UserComment), our own JSON beside it
 * (ImageDescription, UTF-8).
 *
 * Reference: CIPA DC-008 (Exif 2.32), 4.6.2 (IFD), 4.6.5 (UserComment); Adobe, TIFF 6.0, section 2
 */
import { concatBytes } from '../platform/bytes.ts';
import { latin1Bytes, latin1Text } from './png-chunk.ts';

/** What is kept of a picture in its EXIF data. */
export interface ExifTexts {
  readonly comment?: string;
  readonly description?: string;
}

const [IMAGE_DESCRIPTION, EXIF_FOLDER, USER_COMMENT] = [0x010e, 0x8769, 0x9286];
/** Kinds of values: text and bytes are counted in bytes, a number in fours. */
const [ASCII, LONG, UNDEFINED] = [2, 4, 7];
const HEADER_BYTES = 8;
const ENTRY_BYTES = 12;
/** Values of so many bytes stand in their entry. */
const INLINE_BYTES = 4;
const UNICODE = latin1Bytes('UNICODE\0');

/** Bytes of a folder of so many entries, without what they point to. */
const folderBytes = (entries: number) => 2 + ENTRY_BYTES * entries + 4;

/** EXIF data that holds the texts, big-endian as the UTF-16 in it. */
export function encodeExif({ comment = '', description = '' }: ExifTexts): Uint8Array {
  // Ends with a zero, and is longer than what would have to stand in the entry itself.
  const described = concatBytes([new TextEncoder().encode(description), new Uint8Array(INLINE_BYTES + 1)]);
  const commented = concatBytes([UNICODE, utf16(comment)]);
  const exifAt = HEADER_BYTES + folderBytes(2);
  const commentAt = exifAt + folderBytes(1);
  const describedAt = commentAt + commented.length;
  const out = new Uint8Array(describedAt + described.length);
  const view = new DataView(out.buffer);
  out.set(latin1Bytes('MM\0*'));
  view.setUint32(4, HEADER_BYTES);
  folder(view, HEADER_BYTES, [
    [IMAGE_DESCRIPTION, ASCII, described.length, describedAt],
    [EXIF_FOLDER, LONG, 1, exifAt],
  ]);
  folder(view, exifAt, [[USER_COMMENT, UNDEFINED, commented.length, commentAt]]);
  out.set(commented, commentAt);
  out.set(described, describedAt);
  return out;
}

type Entry = readonly [tag: number, kind: number, count: number, value: number];

function folder(view: DataView, at: number, entries: readonly Entry[]): void {
  view.setUint16(at, entries.length);
  entries.forEach(([tag, kind, count, value], i) => {
    const entry = at + 2 + ENTRY_BYTES * i;
    view.setUint16(entry, tag);
    view.setUint16(entry + 2, kind);
    view.setUint32(entry + 4, count);
    view.setUint32(entry + 8, value);
  });
}

function utf16(text: string): Uint8Array {
  const bytes = new Uint8Array(2 * text.length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < text.length; i++) view.setUint16(2 * i, text.charCodeAt(i));
  return bytes;
}

/** The texts of EXIF data, of either byte order; none of what is broken. */
export function decodeExif(exif: Uint8Array): ExifTexts {
  try {
    return textsOf(exif);
  } catch (error) {
    if (error instanceof RangeError) return {};
    throw error;
  }
}

/** @throws RangeError where something lies behind the end */
function textsOf(exif: Uint8Array): ExifTexts {
  const order = latin1Text(exif.subarray(0, 4));
  const isLittle = order === 'II*\0';
  if (!isLittle && order !== 'MM\0*') return {};
  const view = new DataView(exif.buffer, exif.byteOffset, exif.length);
  const number = (at: number) => view.getUint32(at, isLittle);
  /** Where the value of a tag is, and how long: behind the entry, or in it where it has four bytes at most. */
  const found = (at: number, wanted: number): Uint8Array | undefined => {
    for (let i = 0; i < view.getUint16(at, isLittle); i++) {
      const entry = at + 2 + ENTRY_BYTES * i;
      if (view.getUint16(entry, isLittle) !== wanted) continue;
      const count = number(entry + 4);
      const start =
        view.getUint16(entry + 2, isLittle) === LONG || count <= INLINE_BYTES ? entry + 8 : number(entry + 8);
      return exif.subarray(start, start + count);
    }
    return undefined;
  };
  const first = number(4);
  const description = found(first, IMAGE_DESCRIPTION);
  const own = found(first, EXIF_FOLDER);
  const comment = own && found(number(own.byteOffset - exif.byteOffset), USER_COMMENT);
  return {
    ...(comment && { comment: commentOf(comment) }),
    ...(description && { description: new TextDecoder().decode(description).replace(/\0.*$/s, '') }),
  };
}

/** A comment says in eight letters how it is written. Writers disagree on the byte order of UTF-16: few letters of a text are above U+00FF. */
function commentOf(bytes: Uint8Array): string {
  const text = bytes.subarray(UNICODE.length);
  if (latin1Text(bytes.subarray(0, UNICODE.length)) !== latin1Text(UNICODE))
    return new TextDecoder().decode(text);
  const zeros = (from: number) => text.filter((byte, i) => i % 2 === from && byte === 0).length;
  return new TextDecoder(zeros(0) >= zeros(1) ? 'utf-16be' : 'utf-16le').decode(text);
}
