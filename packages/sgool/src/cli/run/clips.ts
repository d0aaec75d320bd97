/** @file The file of a clip in the wanted format. */
import {
  VIDEO_ENDINGS,
  type VideoEncoder,
  type VideoFormat,
  videoEncoder,
} from '../../image/video/encode-video.ts';

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
