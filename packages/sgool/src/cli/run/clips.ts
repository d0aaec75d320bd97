/** @file What a run writes of a clip: the lossless master, the file in the wanted format, the sheet of its frames. */
import { arrangeImages, drawBoxes } from '../../image/draw.ts';
import type { Image } from '../../image/image.ts';
import { encodePng } from '../../image/png.ts';
import { resizeImage } from '../../image/resize.ts';
import { encodeApng } from '../../image/video/apng.ts';
import {
  VIDEO_ENDINGS,
  type VideoEncoder,
  type VideoFormat,
  videoEncoder,
} from '../../image/video/encode-video.ts';
import type { LocatedFrames } from '../../saliency/track.ts';

/** An image, and all frames where it is one of a clip. */
export interface Shown {
  readonly image: Image;
  readonly frames?: readonly Image[] | undefined;
  readonly fps?: number | undefined;
}

type Text = Readonly<Record<string, string>>;

/** A PNG file of what is shown: of a clip an animated one. Nothing is lost. */
export function encodeShown({ image, frames, fps = 1 }: Shown, text: Text = {}): Uint8Array {
  return frames ? encodeApng({ frames, fps }, { text }) : encodePng(image, { text });
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

/** Frames in a row of the sheet. */
const COLUMNS = 4;
const FRAME_SIDE = { least: 128, most: 256 };

/**
 * A sheet of all frames with the boxes of their salient things, and when each is shown.
 *
 * @param fps frames per second
 */
export function clipSheet(frames: readonly Image[], { frames: located }: LocatedFrames, fps: number): Image {
  const [{ width, height }] = frames;
  const longer = Math.max(width, height);
  const scale = Math.min(FRAME_SIDE.most, Math.max(FRAME_SIDE.least, longer)) / longer;
  const size = [Math.round(width * scale), Math.round(height * scale)] as const;
  const shown = frames.map((frame, f) =>
    drawBoxes(
      resizeImage(frame, ...size),
      located[f].regions.map((box) => ({
        x: box.left * scale,
        y: box.top * scale,
        width: box.width * scale,
        height: box.height * scale,
      })),
      { thickness: 1 },
    ),
  );
  return arrangeImages(shown, {
    columns: COLUMNS,
    captions: frames.map((_, f) => `${f + 1}  ${(f / fps).toFixed(2)} s`),
  });
}
