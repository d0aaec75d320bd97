/** @file A sheet of all frames of a clip, with the boxes of their salient things, and when each is shown. */
import { arrangeImages, drawBoxes } from '../draw.ts';
import type { Image } from '../image.ts';
import { resizeImage } from '../resize.ts';
import type { Video } from './video.ts';

/** A box in pixels of its frame. */
interface FrameBox {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export interface ClipSheetOptions {
  /** Frames in a row. Default 4. */
  readonly columns?: number;
  /** Limits of the longer side of a frame in pixels. Default 128 to 256. */
  readonly side?: { readonly least: number; readonly most: number };
}

/**
 * Draws the sheet.
 *
 * @param boxes of each frame
 */
export function clipSheet(
  { frames, fps }: Video,
  boxes: readonly (readonly FrameBox[])[],
  { columns, side = { least: 128, most: 256 } }: ClipSheetOptions = {},
): Image {
  const [{ width, height }] = frames;
  const longer = Math.max(width, height);
  const scale = Math.min(side.most, Math.max(side.least, longer)) / longer;
  const size = [Math.round(width * scale), Math.round(height * scale)] as const;
  const shown = frames.map((frame, f) =>
    drawBoxes(
      resizeImage(frame, ...size),
      (boxes[f] ?? []).map((box) => ({
        x: box.left * scale,
        y: box.top * scale,
        width: box.width * scale,
        height: box.height * scale,
      })),
      { thickness: 1 },
    ),
  );
  return frameSheet(shown, fps, columns);
}

/** Pictures of the frames of a clip in rows, each with its number and when it is shown. */
export function frameSheet(shown: readonly Image[], fps: number, columns = 4): Image {
  return arrangeImages(shown, {
    columns,
    captions: shown.map((_, f) => `${f + 1}  ${(f / fps).toFixed(2)} s`),
  });
}
