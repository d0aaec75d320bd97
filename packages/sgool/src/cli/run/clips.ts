/** @file What is different where a run makes a clip: the file in the wanted format, and what is said of its frames. */
import {
  VIDEO_ENDINGS,
  type VideoEncoder,
  type VideoFormat,
  videoEncoder,
} from '../../image/video/encode-video.ts';
import type { MotionInfo } from '../../models/model-info.ts';

/** One line where windows of frames are asked for and a clip is no longer than one of them; undefined elsewhere. */
export function windowsNote({ windows }: Pick<MotionInfo, 'windows'> = {}, frames = 1): string | undefined {
  if (windows === undefined || frames === 1 || frames > windows.frames) return undefined;
  return `contextFrames ${windows.frames} changes nothing in a clip of ${frames} frames, which is seen as a whole`;
}

/** The file of a clip in the format that was asked for. */
export interface ClipFormat {
  readonly format: VideoFormat;
  /** Its name; of animated PNG that of the lossless file, which it is. */
  readonly name: string;
  readonly encode: VideoEncoder;
}

/** Name of the file that a clip is looked at in: that in the wanted format. */
export const clipName = (format: VideoFormat): string => `clip${VIDEO_ENDINGS[format]}`;

/** @throws UserError where the format cannot be written here: before anything is computed */
export async function clipFormat(format: VideoFormat): Promise<ClipFormat> {
  const encode = await videoEncoder(format);
  return { format, encode, name: clipName(format) };
}
