/** @file Moving pictures: frames of one size, and how many of them are shown per second. */
import type { Image } from '../image.ts';

/** Frames per second that every format can say. */
export const FPS = { least: 1, most: 50 } as const;

/** A moving picture. */
export interface Video {
  /** One or more, all of one size. */
  readonly frames: readonly Image[];
  /** Frames per second, a whole number from 1 to 50. */
  readonly fps: number;
}

/**
 * Checks a moving picture.
 *
 * @param who names the caller in messages
 * @throws RangeError where there is no frame, one has another size, or the rate is no whole number from 1 to 50
 */
export function checkVideo({ frames, fps }: Video, who: string): void {
  const [first] = frames;
  if (first === undefined) throw new RangeError(`${who}: needs a frame, got none`);
  const other = frames.find(({ width, height }) => width !== first.width || height !== first.height);
  if (other !== undefined) {
    throw new RangeError(
      `${who}: all frames must have one size, got ${first.width} x ${first.height} and ${other.width} x ${other.height}`,
    );
  }
  if (!(Number.isInteger(fps) && fps >= FPS.least && fps <= FPS.most)) {
    throw new RangeError(
      `${who}: frames per second must be a whole number from ${FPS.least} to ${FPS.most}, got ${fps}`,
    );
  }
}

/**
 * How long each frame is shown, in whole ticks of a format, so that frame f ends within half a tick of (f + 1) / fps seconds: at 8 frames per
 * second in hundredths, 13, 12, 13, 12, ...
 *
 * @param ticks per second
 */
export function frameTicks({ frames, fps }: Video, ticks: number): number[] {
  const endOf = (count: number) => Math.round((count * ticks) / fps);
  return frames.map((_, f) => endOf(f + 1) - endOf(f));
}

/** Frames per second of what shows `frames` frames in `seconds` seconds, as a whole number; 0 seconds count as 10 frames per second, as browsers do. */
export function fpsOf(frames: number, seconds: number): number {
  const rate = seconds > 0 ? Math.round(frames / seconds) : 10;
  return Math.min(FPS.most, Math.max(FPS.least, rate));
}
