import { expect, it } from 'vitest';
import { boxCrop, throughMask, wholeCrop } from '../image/crops.ts';
import { regionCrop } from './region-views.ts';

const sizes = { width: 4, height: 3, side: 4 };
const region = { left: 1, top: 1, width: 2, height: 2 };
const saliency = {
  width: 4,
  height: 3,
  data: Float32Array.of(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 0.95, 0.85),
};

it('cuts a region out', () => {
  expect(regionCrop('crop', region, saliency, sizes)).toEqual(boxCrop(region, sizes));
});

it('or shows it in the whole image, as much as it is salient', () => {
  const mask = Float32Array.of(0, 0, 0, 0, 0, 0.6, 0.7, 0, 0, 1, 0.95, 0);
  expect(regionCrop('mask', region, saliency, sizes)).toEqual(throughMask(wholeCrop(sizes), mask, sizes));
});
