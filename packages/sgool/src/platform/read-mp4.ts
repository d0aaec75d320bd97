/** @file The frames of MP4 files, by an ffmpeg on the path: there is no decoder of H.264 in Node or in sharp. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../errors.ts';
import { called, runs } from './ffmpeg.ts';
import type { MovingPixels, Pixels } from './platform.ts';

/** Bytes of a pixel: as ffmpeg prints it, and as it is kept. */
const BYTES = 6;
/** What is shown for, in seconds, where the file does not say it. */
const DEFAULT_SECONDS = 0.1;
/** Most bytes of all frames together. */
const MOST_BYTES = 2 ** 31;

/** Whether the file begins as files of ISO media do. */
export const isMp4 = (file: Uint8Array): boolean => String.fromCharCode(...file.subarray(4, 8)) === 'ftyp';

/**
 * Decodes all frames.
 *
 * @param accept called with the size of the frames; may throw
 * @param ffmpeg replaced in tests
 * @throws UserError in one line, where there is no ffmpeg, or the file is broken or too large
 */
export async function readMp4(
  file: Uint8Array,
  accept: (width: number, height: number, bytesPerPixel?: number) => void,
  ffmpeg = 'ffmpeg',
): Promise<MovingPixels> {
  if (!(await runs(ffmpeg))) {
    throw new UserError(
      'an MP4 video, which ffmpeg on the path would read; install it, or give the clip as WebP, animated PNG or GIF',
    );
  }
  // A file, because its index may stand at its end.
  const folder = await mkdtemp(join(tmpdir(), 'sgool-mp4-'));
  try {
    const path = join(folder, 'clip.mp4');
    await writeFile(path, file);
    const words = ['-hide_banner', '-nostdin', '-i', path, '-an', '-f', 'image2pipe', '-c:v', 'ppm', '-'];
    const { printed, complaint } = await called(ffmpeg, words, { who: 'mp4', most: MOST_BYTES });
    const frames = framesOf(printed);
    const [{ width, height }] = frames;
    accept(width, height, BYTES * frames.length);
    const rate = Number(/([\d.]+) fps/.exec(complaint)?.[1] ?? Number.NaN);
    const seconds = rate > 0 ? 1 / rate : DEFAULT_SECONDS;
    return { frames, seconds: frames.map(() => seconds) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The pictures of a stream of binary PPM files, each `P6 width height 255` and then its pixels. */
function framesOf(stream: Uint8Array): Pixels[] {
  const frames: Pixels[] = [];
  for (let at = 0; at < stream.length; ) {
    const head = String.fromCharCode(...stream.subarray(at, at + 64));
    const [begin, width, height] = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(head) ?? [];
    const size = 3 * Number(width) * Number(height);
    const start = at + (begin?.length ?? 0);
    if (begin === undefined || start + size > stream.length)
      throw new UserError('an MP4 video, of which ffmpeg printed something else than pictures');
    frames.push({ width: Number(width), height: Number(height), data: stream.slice(start, start + size) });
    at = start + size;
  }
  if (frames.length === 0) throw new UserError('an MP4 video without frames');
  return frames;
}
