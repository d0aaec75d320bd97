import { describe, expect, it } from 'vitest';
import { randomCutouts, wholeCrop } from '../image/crops.ts';
import { Generator } from '../random/generator.ts';
import type { CutoutSettings } from '../request/settings/cutouts.ts';
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

  it('has one view, whose distance is that of the whole', () => {
    const views = wholeViews(settings, sizes, { text: Float32Array.of(1) }, new Generator(0));
    expect(views).toMatchObject({ count: 1, bestWeight: 0 });
    expect(views.draw()).toMatchObject([{ aim: { text: Float32Array.of(1) }, weight: 1 }]);
    expect(views.part(Float32Array.of(0.25, 9))).toEqual({ whole: 0.25 });
  });
});

describe('wholeViews with cutouts', () => {
  const aim = { text: Float32Array.of(1) };
  const drawn = (change: Partial<CutoutSettings>, other: Partial<typeof sizes> = {}) =>
    wholeViews(
      { ...settings, cutouts: 4, ...change },
      { ...sizes, ...other },
      aim,
      new Generator(0),
      'bilinear',
    );

  it('takes their mean, each with its share of the weight', () => {
    const views = drawn({});
    expect(views).toMatchObject({ count: 4, bestWeight: 0 });
    const crops = randomCutouts(4, 1, 1, sizes, new Generator(0));
    expect(views.draw()).toEqual(crops.map((crop) => ({ crop, aim, weight: 0.25 })));
    expect(views.part(Float32Array.of(1, 2, 3, 6, 99))).toEqual({ cutouts: 3 });
  });

  it('or the best of them', () => {
    const views = drawn({ cutReduction: 'min' });
    expect(views).toMatchObject({ count: 4, bestWeight: 1 });
    const crops = randomCutouts(4, 1, 1, sizes, new Generator(0));
    expect(views.draw()).toEqual(crops.map((crop) => ({ crop, aim, candidate: true })));
    expect(views.part(Float32Array.of(1, 2, 3, 6, 0))).toEqual({ cutouts: 1 });
  });

  it.each([
    { change: {}, other: { width: 16, height: 16 }, count: 1 },
    { change: {}, other: { width: 12, height: 12 }, count: 1 },
    { change: {}, other: { width: 17, height: 17 }, count: 4 },
    { change: {}, other: { width: 16, height: 12 }, count: 4 },
    { change: { cutSize: 0.5 }, other: { width: 16, height: 16 }, count: 4 },
  ])('does without them where all would be the image itself: $change $other', ({ change, other, count }) => {
    const views = drawn(change, other);
    expect(views.count).toBe(count);
    const [{ crop }] = views.draw();
    // Cutouts are not resized as the whole image is.
    if (count === 1) expect(crop).toEqual(wholeCrop({ ...sizes, ...other }, 'bicubic'));
  });
});
