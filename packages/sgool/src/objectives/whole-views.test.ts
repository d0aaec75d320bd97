import { describe, expect, it } from 'vitest';
import { wholeCrop } from '../image/crops.ts';
import { Generator } from '../random/generator.ts';
import { wholeViews } from './whole-views.ts';

const sizes = { width: 48, height: 48, side: 16 };
const settings = { cutouts: 0, cutSize: 1, cutPower: 1, cutReduction: 'mean' } as const;
const crop = (...resize: ['bilinear'?]) => {
  const [view] = wholeViews(
    settings,
    sizes,
    { text: Float32Array.of(1) },
    new Generator(0),
    ...resize,
  ).draw();
  return view.crop;
};

describe('wholeViews without cutouts', () => {
  it('resizes as the method’s published code does, and as CLIP does where there is none', () => {
    expect(crop('bilinear')).toEqual(wholeCrop(sizes, 'bilinear'));
    expect(crop()).toEqual(wholeCrop(sizes, 'bicubic'));
    expect(wholeCrop(sizes, 'bilinear')).not.toEqual(wholeCrop(sizes, 'bicubic'));
  });
});
