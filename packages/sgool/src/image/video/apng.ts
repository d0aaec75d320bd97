/**
 * @file Animated PNG: lossless, with texts before the first frame. A viewer that does not know animations shows the first frame.
 *
 * Reference: W3C, Portable Network Graphics (third edition), 4.9 (animation), 11.3.6 (acTL, fcTL, fdAT)
 */
import { imageDecoder } from '#platform';
import { UserError } from '../../errors.ts';
import { concatBytes } from '../../platform/bytes.ts';
import type { AcceptSize } from '../decoded-image.ts';
import { createImage, type Image } from '../image.ts';
import { pngEnd, pngHeader, pngPixels, pngTexts } from '../png.ts';
import { isPng, latin1Text, PNG_SIGNATURE, pngChunk } from '../png-chunk.ts';
import { checkVideo, timedVideo, type Video } from './video.ts';

/** A chunk of 32-bit numbers, then bytes. */
function numbersChunk(type: string, numbers: readonly number[], rest: Uint8Array): Uint8Array {
  const content = new Uint8Array(4 * numbers.length + rest.length);
  const view = new DataView(content.buffer);
  numbers.forEach((value, i) => {
    view.setUint32(4 * i, value);
  });
  content.set(rest, 4 * numbers.length);
  return pngChunk(type, content);
}

const NOTHING = new Uint8Array(0);

/**
 * Encodes a moving picture as an animated PNG file that plays for ever: eight bits, RGB, each frame shown for exactly 1 / fps seconds.
 *
 * @param text texts by keyword, stored before the first frame
 * @throws RangeError as `checkVideo` does, and when a keyword or text cannot be stored
 */
export function encodeApng(
  video: Video,
  { text = {} }: { readonly text?: Readonly<Record<string, string>> } = {},
): Uint8Array {
  checkVideo(video, 'encodeApng');
  const { frames, fps } = video;
  const [{ width, height }] = frames;
  // Numerator and denominator of the seconds, then: the next frame replaces all of this one.
  const timing = Uint8Array.of(0, 1, fps >> 8, fps & 0xff, 0, 0);
  let sequence = 0;
  const control = () => numbersChunk('fcTL', [sequence++, width, height, 0, 0], timing);
  return concatBytes([
    PNG_SIGNATURE,
    pngHeader(frames[0]),
    numbersChunk('acTL', [frames.length, 0], NOTHING),
    ...pngTexts(text),
    ...frames.flatMap((frame, f) => {
      const shown = control();
      const pixels = pngPixels(frame);
      return [shown, f === 0 ? pngChunk('IDAT', pixels) : numbersChunk('fdAT', [sequence++], pixels)];
    }),
    pngEnd(),
  ]);
}

/** A frame of a file: its pixels as chunks of an image of its own. */
interface FileFrame {
  readonly data: Uint8Array[];
  readonly seconds: number;
}

/** What a decoder of one image needs of an animation beside the pixels; texts are not among it. */
const KEPT = new Set(['IHDR', 'PLTE', 'tRNS', 'gAMA', 'cHRM', 'sRGB', 'iCCP', 'sBIT']);

/**
 * The frames of an animated PNG file.
 *
 * @param background CSS colour behind transparent parts
 * @param accept called with the size before anything is decoded
 * @throws UserError where a frame is only a part of the picture, or is laid over the one before it; an error where the file is broken
 */
export async function decodeApng(file: Uint8Array, background: string, accept: AcceptSize): Promise<Video> {
  const { shared, frames } = framesOf(file);
  const images: Image[] = [];
  for (const { data } of frames) {
    const alone = concatBytes([PNG_SIGNATURE, ...shared, ...data, pngEnd()]);
    const {
      width,
      height,
      data: pixels,
    } = await imageDecoder.decode(alone, background, (width, height, bytes = 3) =>
      accept(width, height, bytes + 3 * frames.length),
    );
    images.push(createImage(width, height, pixels));
  }
  return timedVideo(
    images,
    frames.map(({ seconds }) => seconds),
  );
}

function framesOf(file: Uint8Array): { readonly shared: Uint8Array[]; readonly frames: FileFrame[] } {
  if (!isPng(file)) throw new Error('it is no PNG file');
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const shared: Uint8Array[] = [];
  const frames: FileFrame[] = [];
  let size = [0, 0];
  for (let at = PNG_SIGNATURE.length; at + 12 <= file.length; ) {
    const length = view.getUint32(at);
    const type = latin1Text(file.subarray(at + 4, at + 8));
    const end = at + 12 + length;
    if (end > file.length) throw new Error('it is truncated');
    if (KEPT.has(type)) shared.push(file.subarray(at, end));
    if (type === 'IHDR') size = [view.getUint32(at + 8), view.getUint32(at + 12)];
    if (type === 'fcTL') frames.push({ data: [], seconds: secondsOf(view, at + 8, size) });
    // Without a control before it, the first image is none of the frames.
    if (type === 'IDAT') frames.at(-1)?.data.push(file.subarray(at, end));
    if (type === 'fdAT') frames.at(-1)?.data.push(pngChunk('IDAT', file.subarray(at + 12, end - 4)));
    at = end;
  }
  if (frames.length === 0) throw new Error('it has no frames');
  return { shared, frames };
}

/** How long a frame is shown. @throws UserError where it is no picture of its own */
function secondsOf(view: DataView, at: number, [width, height]: readonly number[]): number {
  const isWhole = view.getUint32(at + 4) === width && view.getUint32(at + 8) === height;
  const isOver = view.getUint8(at + 25) !== 0;
  if (!isWhole || isOver) {
    throw new UserError(
      'an animated PNG whose frames are parts of a picture; save it with whole frames, or as WebP',
    );
  }
  return view.getUint16(at + 20) / (view.getUint16(at + 22) || 100);
}
