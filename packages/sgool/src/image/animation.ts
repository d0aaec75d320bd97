/**
 * @file Whether a file holds an animation. Looked for before a decoder does, which keeps a record of every frame, and a frame may take
 * 15 bytes.
 *
 * Reference: CompuServe, GIF89a; Google, WebP Container Specification; W3C, Portable Network Graphics (third edition), 11.3.6.1 (acTL)
 */
import { isPng, latin1Text, PNG_SIGNATURE } from './png-chunk.ts';

/** Brands of files that hold a video, as MP4, M4V and QuickTime. Pictures (AVIF, HEIC) have others. */
const VIDEO_BRANDS = /^....ftyp(?:isom|iso[2-9]|mp4[12]|avc1|M4V |qt {2}|dash)/s;

/** Whether a file is a video in the boxes of ISO media. Reference: ISO/IEC 14496-12, section 4.3 (ftyp) */
export const isVideoFile = (file: Uint8Array): boolean => VIDEO_BRANDS.test(latin1Text(file.subarray(0, 12)));

/** Whether a GIF, WebP or PNG file has more than one frame. */
export function isAnimated(file: Uint8Array): boolean {
  const start = latin1Text(file.subarray(0, 12));
  if (start.startsWith('GIF8')) return hasTwoGifImages(file);
  if (/^RIFF....WEBP/s.test(start)) return countRiffFrames(file) > 1;
  return isPng(file) && pngFrames(file) > 1;
}

function hasTwoGifImages(file: Uint8Array): boolean {
  const [IMAGE, EXTENSION, HAS_COLOURS] = [0x2c, 0x21, 0x80];
  const coloursAt = (at: number) => (file[at] & HAS_COLOURS ? 3 * 2 ** ((file[at] & 7) + 1) : 0);
  /** The end of a chain of blocks, each with its length before it. */
  const blocksEnd = (from: number) => {
    let at = from;
    while (at < file.length && file[at] !== 0) at += 1 + file[at];
    return at + 1;
  };
  let images = 0;
  for (let at = 13 + coloursAt(10); at < file.length; ) {
    if (file[at] === EXTENSION) at = blocksEnd(at + 2);
    else if (file[at] === IMAGE) {
      if (++images > 1) return true;
      at = blocksEnd(at + 10 + coloursAt(at + 9) + 1);
    } else break;
  }
  return false;
}

function countRiffFrames(file: Uint8Array): number {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  let frames = 0;
  for (let at = 12; at + 8 <= file.length && frames < 2; ) {
    if (latin1Text(file.subarray(at, at + 4)) === 'ANMF') frames++;
    const size = view.getUint32(at + 4, true);
    at += 8 + size + (size % 2);
  }
  return frames;
}

function pngFrames(file: Uint8Array): number {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  for (let at = PNG_SIGNATURE.length; at + 12 <= file.length; at += 12 + view.getUint32(at)) {
    const type = latin1Text(file.subarray(at + 4, at + 8));
    if (type === 'acTL') return view.getUint32(at + 8);
    if (type === 'IDAT') return 1;
  }
  return 1;
}
