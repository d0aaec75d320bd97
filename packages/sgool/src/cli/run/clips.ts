/** @file What commands have in common that make clips: the adapter that moves pictures, the file in the wanted format, and what is said of frames. */
import {
  VIDEO_ENDINGS,
  VIDEO_FORMATS,
  type VideoEncoder,
  type VideoFormat,
  videoEncoder,
} from '../../image/video/encode-video.ts';
import type { MotionInfo } from '../../models/model-info.ts';
import { DEFAULT_MOTION } from '../../weights/open/locate-model.ts';
import { type ImageCommand, motionNotes } from '../options/read-options.ts';

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
export async function clipFormat({
  format = VIDEO_FORMATS[0],
}: Pick<ImageCommand['values'], 'format'>): Promise<ClipFormat> {
  const encode = await videoEncoder(format);
  return { format, encode, name: clipName(format) };
}

/** The command with the adapter that comes with sgool, where it names neither a model nor an adapter. */
export function withMotion<C extends Pick<ImageCommand, 'values'>>(command: C): C {
  const { model, motion } = command.values;
  return model === undefined && motion === undefined
    ? { ...command, values: { ...command.values, motion: DEFAULT_MOTION } }
    : command;
}

/** The command for a picture, with a line for what of it only clips have. */
export function ofPicture<C extends Pick<ImageCommand, 'values' | 'notes'>>(command: C): C {
  const { format, ...values } = command.values;
  const passedOver =
    format === undefined ? [] : [`the format ${format} is passed over: the image is a picture, and no clip`];
  return { ...command, values, notes: [...command.notes, ...passedOver, ...motionNotes(values)] };
}
