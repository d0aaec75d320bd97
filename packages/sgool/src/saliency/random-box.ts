/** @file The saliency model `random`: the control for all others, which says what regions are worth that show nothing in particular. */
import type { RandomSource } from '../random/random-source.ts';
import { boxMap } from './box-map.ts';
import type { Detector } from './detector.ts';

/** Sides of the box, as shares of the image's shorter side. */
const SIDES = { least: 0.25, most: 0.75 };

/** One square, drawn anew for each image: its side uniform from a quarter to three quarters of the shorter side, its place uniform. */
export function randomBox(random: RandomSource): Detector {
  return {
    name: 'random',
    async map(image) {
      const [size, across, down] = random.rand([3]);
      const share = SIDES.least + size * (SIDES.most - SIDES.least);
      const side = Math.max(1, Math.round(share * Math.min(image.width, image.height)));
      const left = Math.floor(across * (image.width - side + 1));
      const top = Math.floor(down * (image.height - side + 1));
      return boxMap(image, [{ left, top, width: side, height: side, saliency: 1 }]);
    },
  };
}
