/** @file The networks that see the frames of a clip: the CLIP that guides, and TranSalNet, the saliency model that has a gradient. */
import { add, concat, constant, reshape, split, type Tensor } from '@sgool/autodiff';
import { wholeCrop } from '../image/crops.ts';
import type { ImageSize } from '../image/image.ts';
import { letterboxBorder, letterboxMatrices, undoLetterboxMatrices } from '../image/letterbox.ts';
import { clip } from '../networks/clip/clip.ts';
import { clipPixels } from '../networks/clip/clip-pixels.ts';
import { transalnet } from '../networks/saliency/transalnet.ts';
import type { ClipCritic } from '../preference/clip-critic.ts';
import type { TranSalNetParts } from '../saliency/transalnet-detector.ts';
import type { FrameNetwork } from './frame-features.ts';
import { cropped, masked } from './traced-views.ts';

const matrix = (data: Float32Array, width: number): Tensor =>
  constant({ dtype: 'float32', shape: [1, data.length / width, width], data });

/** The embedding of a whole frame, `[1, dimension]`. */
export function clipFrames({ name, config, weights, side }: ClipCritic, size: ImageSize): FrameNetwork {
  const { rows, columns, mask } = wholeCrop({ ...size, side });
  return {
    key: `${name} embedding`,
    features(planes) {
      const view = cropped(planes, matrix(rows, size.height), matrix(columns, size.width));
      const hidden = mask && constant({ dtype: 'float32', shape: [1, 1, side, side], data: mask });
      return clip(config, weights).image(clipPixels(masked(view, hidden))).embedding;
    },
  };
}

/** The saliency map of a frame at its own size, `[1, 1, height, width]`, not scaled to its maximum. */
export function saliencyFrames(
  { config, weights, channelOrder = 'rgb' }: TranSalNetParts,
  size: ImageSize,
): FrameNetwork {
  const [height, width] = config.image_size;
  const canvas = { width, height };
  const [place, back] = [letterboxMatrices(size, canvas), undoLetterboxMatrices(size, canvas)];
  return {
    key: 'transalnet map',
    precision: 'float32',
    features(planes) {
      const placed = cropped(planes, matrix(place.rows, size.height), matrix(place.columns, size.width));
      const border = constant({
        dtype: 'float32',
        shape: [1, 1, height, width],
        data: letterboxBorder(size, canvas),
      });
      const colours = split(add(placed, border), [1, 1, 1], 1);
      const ordered = channelOrder === 'rgb' ? colours : colours.toReversed();
      const map = transalnet(config, weights)(concat(ordered, 1));
      const shown = cropped(map, matrix(back.rows, height), matrix(back.columns, width));
      return reshape(shown, [1, 1, size.height, size.width]);
    },
  };
}
