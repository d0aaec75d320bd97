/** @file Reading moving pictures: animated PNG, WebP and GIF, and MP4 where ffmpeg is; any other picture is one frame. */
import { files, movingPictures } from '#platform';
import { UserError } from '../../errors.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
import { isAnimated, isVideoFile } from '../animation.ts';
import { createImage } from '../image.ts';
import { isPng } from '../png-chunk.ts';
import { acceptUpTo, decodeImage, MAX_PIXELS, type ReadOptions } from '../read-image.ts';
import { decodeApng } from './apng.ts';
import { timedVideo, type Video } from './video.ts';

/**
 * Decodes all frames of a moving picture.
 *
 * @param name of the file, for messages
 * @returns a picture that does not move has one frame, at one frame per second
 * @throws UserError where it is no picture, is broken, has frames of more than `maxPixels` pixels or a side of more than `MAX_SIDE`, or needs too much memory
 */
export async function decodeVideo(
  file: Uint8Array,
  name: string,
  { maxPixels = MAX_PIXELS, background = '#ffffff' }: ReadOptions = {},
): Promise<Video> {
  if (!isAnimated(file) && !isVideoFile(file))
    return { frames: [await decodeImage(file, name, { maxPixels, background })], fps: 1 };
  const accept = acceptUpTo(
    maxPixels,
    file,
    (size, megabytes, most) =>
      `its frames of ${size} need ${megabytes} MB together, more than ${most} MB; scale it down, or take fewer frames`,
  );
  try {
    if (isPng(file)) return await decodeApng(file, background, accept);
    const { frames, seconds } = await movingPictures.decode(file, background, accept);
    return timedVideo(
      frames.map(({ width, height, data }) => createImage(width, height, data)),
      seconds,
    );
  } catch (error) {
    const [reason] = (error as Error).message.split('\n');
    const what = error instanceof UserError ? reason : `a broken animation (${reason})`;
    throw new UserError(`cannot read ${name}: ${what}`, { cause: error });
  }
}

/** Reads a moving picture from a file (a URL in a browser); see {@link decodeVideo}. */
export async function readVideo(path: string, options: ReadOptions = {}): Promise<Video> {
  return decodeVideo(await files.readBytes(path, SIZE_LIMITS.picture), path, options);
}
