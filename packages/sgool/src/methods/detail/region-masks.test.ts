import { describe, expect, it } from 'vitest';
import { filterRegions, givenRegions, orderRegions, repaintMasks } from './region-masks.ts';

const size = { width: 20, height: 10 };
const region = (left: number, top: number, width: number, height: number, mass = 0.5) => ({
  left,
  top,
  width,
  height,
  mass,
});
const still = { regionOffsetX: 0, regionOffsetY: 0, regionDilation: 0, regionMerge: 'none' } as const;
const boxesOf = (
  regions: ReturnType<typeof region>[],
  settings: Partial<Parameters<typeof repaintMasks>[1]>,
) => repaintMasks(regions, { ...still, ...settings }, size).map(({ box }) => box);

describe('filterRegions', () => {
  const all = { minRegionMass: 0, minRegionArea: 0, maxRegionArea: 1 };
  // A fortieth, a fifth and all of the image.
  const regions = [region(0, 0, 5, 1, 0.2), region(0, 0, 10, 4, 0.5), region(0, 0, 20, 10, 0.3)];
  const [small, middle, whole] = regions;

  it.each([
    [{}, regions],
    [{ minRegionMass: 0.3 }, [middle, whole]],
    [{ minRegionMass: 0.31 }, [middle]],
    [{ minRegionArea: 0.2 }, [middle, whole]],
    [{ maxRegionArea: 0.2 }, [small, middle]],
    [{ minRegionArea: 0.1, maxRegionArea: 0.9 }, [middle]],
  ])('with %j', (settings, wanted) => {
    expect(filterRegions(regions, { ...all, ...settings }, size)).toEqual(wanted);
  });
});

describe('orderRegions', () => {
  const [right, left, middle] = [region(16, 1, 4, 2), region(0, 0, 3, 3), region(8, 4, 4, 2)];
  const regions = [right, left, middle];
  it.each([
    ['saliency', [right, left, middle]],
    ['left-to-right', [left, middle, right]],
    ['centre-to-edge', [middle, right, left]],
    ['largest-first', [left, right, middle]],
  ] as const)('%s', (order, wanted) => {
    expect(orderRegions(regions, order, size)).toEqual(wanted);
    expect(regions).toEqual([right, left, middle]);
  });
});

describe('givenRegions', () => {
  it('are salient all over, up to the edge of the image', () => {
    expect(givenRegions([{ left: 10, top: 0, width: 10, height: 10 }], size)).toEqual([
      region(10, 0, 10, 10, 1),
    ]);
  });

  it.each([
    [{ left: 11, top: 0, width: 10, height: 10 }, '11,0,10,10'],
    [{ left: 0, top: 1, width: 10, height: 10 }, '0,1,10,10'],
    [{ left: 20, top: 0, width: 1, height: 1 }, '20,0,1,1'],
  ])('refuse %j', (box, text) => {
    expect(() => givenRegions([box], size)).toThrow(
      `detail: box ${text} is not inside the image, which is 20 x 10; give x,y,width,height with x + width up to 20 and y + height up to 10`,
    );
  });
});

describe('repaintMasks', () => {
  const two = [region(2, 2, 4, 3), region(10, 5, 5, 2)];

  it('are the pixels of each region', () => {
    const [{ open, box }] = repaintMasks([region(2, 2, 4, 3)], still, size);
    expect(box).toEqual({ left: 2, top: 2, width: 4, height: 3 });
    open.forEach((value, i) => {
      const [x, y] = [i % 20, Math.floor(i / 20)];
      expect(value).toBe(x >= 2 && x < 6 && y >= 2 && y < 5 ? 1 : 0);
    });
  });

  it('move to the right and up, and out of the image', () => {
    expect(boxesOf(two, { regionOffsetX: 3, regionOffsetY: 2 })).toEqual([
      { left: 5, top: 0, width: 4, height: 3 },
      { left: 13, top: 3, width: 5, height: 2 },
    ]);
    expect(boxesOf([two[1]], { regionOffsetX: 8 })).toEqual([{ left: 18, top: 5, width: 2, height: 2 }]);
    expect(() => boxesOf([two[1]], { regionOffsetX: 10 })).toThrow(
      /^detail: nothing is left of the region 10,5,5,2 with regionOffsetX 10, /,
    );
  });

  it('grow or shrink on every side, inside the image', () => {
    expect(boxesOf([two[0]], { regionDilation: 1 })).toEqual([{ left: 1, top: 1, width: 6, height: 5 }]);
    expect(boxesOf([two[0]], { regionDilation: 3 })).toEqual([{ left: 0, top: 0, width: 9, height: 8 }]);
    expect(boxesOf([two[0]], { regionDilation: -1 })).toEqual([{ left: 3, top: 3, width: 2, height: 1 }]);
    expect(() => boxesOf([two[0]], { regionDilation: -2 })).toThrow(/nothing is left of the region 2,2,4,3/);
  });

  it('are one for all regions, or one for all that is outside of them', () => {
    const masks = repaintMasks(two, still, size);
    const [merged, ...none] = repaintMasks(two, { ...still, regionMerge: 'merge' }, size);
    expect(none).toEqual([]);
    expect(merged.box).toEqual({ left: 2, top: 2, width: 13, height: 5 });
    expect(merged.open).toEqual(masks[0].open.map((value, i) => value | masks[1].open[i]));
    const [inverted] = repaintMasks(two, { ...still, regionMerge: 'invert' }, size);
    expect(inverted.box).toEqual({ left: 0, top: 0, width: 20, height: 10 });
    expect(inverted.open).toEqual(merged.open.map((value) => 1 - value));
    const [rest] = repaintMasks([region(0, 0, 20, 7)], { ...still, regionMerge: 'invert' }, size);
    expect(rest.box).toEqual({ left: 0, top: 7, width: 20, height: 3 });
  });

  it('are none without regions, and refuse to leave nothing', () => {
    for (const regionMerge of ['none', 'merge', 'invert'] as const) {
      expect(repaintMasks([], { ...still, regionMerge }, size)).toEqual([]);
    }
    expect(() => boxesOf([region(0, 0, 20, 10)], { regionMerge: 'invert' })).toThrow(
      /the regions cover the whole image, so regionMerge invert leaves nothing to repaint/,
    );
  });
});
