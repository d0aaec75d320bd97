/** @file Moving pictures: frames of one size, and how many of them are shown per second. */
import { UserError } from '../../errors.ts';
import { minimum, sum } from '../../numbers.ts';
import type { Image } from '../image.ts';

/** Frames per second that every format can say. */
export const FPS = { least: 1, most: 50 } as const;

/** A moving picture. */
export interface Video {
  /** One or more, all of one size. */
  readonly frames: readonly Image[];
  /** Frames per second, a whole number from 1 to 50. */
  readonly fps: number;
  /** How long each frame is shown, where that is not 1 / fps for each; of files that say so. Nothing writes them. */
  readonly seconds?: readonly number[];
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

/** Half a tick of the coarsest format, GIF: what is shown so much too long or too short is as long as it should be. */
const TICK_SECONDS = 0.0051;

/** A moving picture of frames that are shown for their own times, in seconds; 0 counts as a tenth, as browsers take it. */
export function timedVideo(frames: readonly Image[], times: readonly number[]): Video {
  const seconds = times.map((one) => one || 0.1);
  const fps = fpsOf(frames.length, sum(seconds));
  let end = 0;
  const isSteady = seconds.every((one, f) => {
    end += one;
    return Math.abs(end - (f + 1) / fps) <= TICK_SECONDS;
  });
  return { frames, fps, ...(isSteady ? {} : { seconds }) };
}

/** How long a moving picture is, in seconds. */
export const secondsOf = ({ frames, fps, seconds }: Video): number =>
  seconds ? sum(seconds) : frames.length / fps;

/** Which frames of a moving picture are taken. */
export interface TakenFrames {
  /** Frames per second; default its own. Each is the one that is shown in the middle of its time. */
  readonly fps?: number | undefined;
  /** The first so many of them; default all. */
  readonly frames?: number | undefined;
}

/**
 * Frames of a moving picture that are all shown equally long. By default those of which each is shown for its own time are taken as often as
 * they are shown longer than the shortest: WebP and GIF join frames that stand still, and they come apart again.
 *
 * @param who names the caller in messages
 * @param most frames
 * @throws UserError where there are more frames than that, or fewer than are to be taken
 */
export function steadyVideo(
  video: Video,
  { fps, frames: wanted }: TakenFrames,
  { who, most }: { readonly who: string; readonly most: number },
): Video {
  const { frames } = video;
  const seconds = video.seconds ?? frames.map(() => 1 / video.fps);
  const shortest = minimum(seconds);
  const own = seconds.map((one) => Math.round(one / shortest));
  const ownRate = fpsOf(sum(own), sum(seconds));
  // The times of a file are rounded to its ticks: its own rate takes all of its frames, not those that are shown at multiples of it.
  const times = fps === undefined || fps === ownRate ? own : shownAt(seconds, fps);
  const found = sum(times);
  const count = wanted ?? found;
  if (count > most) {
    throw new UserError(
      `${who}: the clip has ${found} frames of equal length, more than ${most}; take fewer with frames or fps`,
    );
  }
  if (count > found) {
    throw new UserError(
      `${who}: frames must be at most ${found}, which the ${frames.length === 1 ? 'picture' : 'clip'} has, got ${wanted}`,
    );
  }
  const taken: Image[] = [];
  for (const [f, frame] of frames.entries()) {
    for (let i = 0; i < times[f] && taken.length < count; i++) taken.push(frame);
  }
  return { frames: taken, fps: fps ?? ownRate };
}

/** How often each frame is shown in the middle of 1 / fps seconds; one that is shown for no whole of them may not be. */
function shownAt(seconds: readonly number[], fps: number): number[] {
  /** Middles until a time: of a rate that is halved, every second frame from the first on. */
  const until = (time: number) => Math.floor(fps * time + 0.5 + 1e-6);
  let start = 0;
  const times = seconds.map((one) => {
    const end = start + one;
    const count = until(end) - until(start);
    start = end;
    return count;
  });
  if (sum(times) === 0) times[0] = 1;
  return times;
}
