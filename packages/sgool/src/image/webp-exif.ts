/**
 * @file EXIF data in WebP files, written here because encoders turn its texts into ASCII.
 *
 * Reference: Google, WebP Container Specification (extended file format, metadata)
 */
import { concatBytes } from '../platform/bytes.ts';
import { latin1Bytes, latin1Text } from './png-chunk.ts';

/** In the flags of the extended header: there is EXIF data. */
const HAS_EXIF = 0x08;
const HEADER_BYTES = 12;

interface RiffChunk {
  readonly type: string;
  /** The chunk with its head and its padding. */
  readonly bytes: Uint8Array;
  readonly content: Uint8Array;
}

/** Whether a file begins as WebP files do. */
export const isWebp = (file: Uint8Array): boolean =>
  /^RIFF....WEBP/s.test(latin1Text(file.subarray(0, HEADER_BYTES)));

/** The chunks of a file, up to one that is broken. */
function chunksOf(file: Uint8Array): RiffChunk[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const chunks: RiffChunk[] = [];
  for (let at = HEADER_BYTES; at + 8 <= file.length; ) {
    const size = view.getUint32(at + 4, true);
    const end = at + 8 + size + (size % 2);
    if (at + 8 + size > file.length) break;
    const type = latin1Text(file.subarray(at, at + 4));
    chunks.push({ type, bytes: file.subarray(at, end), content: file.subarray(at + 8, at + 8 + size) });
    at = end;
  }
  return chunks;
}

function chunkOf(type: string, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + content.length + (content.length % 2));
  bytes.set(latin1Bytes(type));
  new DataView(bytes.buffer).setUint32(4, content.length, true);
  bytes.set(content, 8);
  return bytes;
}

/**
 * A WebP file with other EXIF data.
 *
 * @throws RangeError where it has no extended header, as animations and all files with EXIF data have
 */
export function withWebpExif(file: Uint8Array, exif: Uint8Array): Uint8Array {
  const [header, ...rest] = chunksOf(file);
  if (header?.type !== 'VP8X') throw new RangeError('withWebpExif: the file has no extended header');
  const flagged = header.bytes.slice();
  flagged[8] |= HAS_EXIF;
  const others = rest.filter(({ type }) => type !== 'EXIF').map(({ bytes }) => bytes);
  const content = concatBytes([latin1Bytes('WEBP'), flagged, ...others, chunkOf('EXIF', exif)]);
  return chunkOf('RIFF', content);
}

/** The EXIF data of a WebP file; nothing where it has none. */
export function webpExif(file: Uint8Array): Uint8Array | undefined {
  if (!isWebp(file)) return undefined;
  const found = chunksOf(file).find(({ type }) => type === 'EXIF')?.content;
  // Some writers put the head of JPEG's segment before it.
  return found && latin1Text(found.subarray(0, 6)) === 'Exif\0\0' ? found.subarray(6) : found;
}
