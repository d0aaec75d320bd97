import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NotFiniteError } from '../errors.ts';
import type { SaliencyMap } from './detector.ts';
import { findRegions, saliencyThreshold } from './regions.ts';

/** A map drawn with characters: `.` is 0, digits are tenths, `#` is 1. */
function draw(...rows: string[]): SaliencyMap {
  const value = (c: string) => (c === '.' ? 0 : c === '#' ? 1 : Number(c) / 10);
  return {
    width: rows[0].length,
    height: rows.length,
    data: Float32Array.from([...rows.join('')].map(value)),
  };
}

/** A map with boxes `[left, top, width, height, value]` on a background. */
function boxes(
  width: number,
  height: number,
  ...list: [number, number, number, number, number][]
): SaliencyMap {
  const data = new Float32Array(width * height);
  for (const [left, top, w, h, value] of list) {
    for (let y = top; y < top + h; y++) data.fill(value, y * width + left, y * width + left + w);
  }
  return { width, height, data };
}

const exact = { thresholdRule: 'fixed', thresholdValue: 0.5, regionPadding: 0, minRegionSide: 0 } as const;

describe('saliencyThreshold', () => {
  it('finds the cut between two groups of values (otsu)', () => {
    const map = draw('1212', '2178', '1287', '2112');
    const cut = saliencyThreshold(map);
    expect(cut).toBeGreaterThan(0.2);
    expect(cut).toBeLessThanOrEqual(0.7);
  });

  it('takes a share of the pixels (quantile) or of the maximum (fixed)', () => {
    const map = draw('0123456789');
    expect(saliencyThreshold(map, { thresholdRule: 'quantile', thresholdValue: 0.7 })).toBeCloseTo(0.7);
    expect(saliencyThreshold(map, { thresholdRule: 'fixed', thresholdValue: 0.5 })).toBeCloseTo(0.45);
  });
});

describe('findRegions', () => {
  it('draws a box around each component, most saliency first', () => {
    const map = boxes(40, 40, [2, 3, 6, 6, 0.6], [20, 25, 10, 10, 0.9]);
    const regions = findRegions(map, exact);
    expect(regions).toMatchObject([
      { left: 20, top: 25, width: 10, height: 10 },
      { left: 2, top: 3, width: 6, height: 6 },
    ]);
    expect(regions[0].mass).toBeCloseTo(90 / 111.6);
    expect(regions[1].mass).toBeCloseTo(21.6 / 111.6);
  });

  it('joins pixels that touch at a corner', () => {
    expect(findRegions(draw('#...', '.#..', '..#.', '....'), exact)).toHaveLength(1);
  });

  it('pads, and squares around the centre', () => {
    const map = boxes(40, 40, [10, 16, 10, 4, 1]);
    expect(findRegions(map, { ...exact, regionPadding: 0.1 })).toMatchObject([
      { left: 9, top: 12, width: 12, height: 12 },
    ]);
    expect(findRegions(map, { ...exact, squared: false })).toMatchObject([
      { left: 10, top: 16, width: 10, height: 4 },
    ]);
  });

  it('keeps a minimum side and moves boxes inside the image', () => {
    const map = boxes(40, 20, [39, 0, 1, 1, 1]);
    expect(findRegions(map, { ...exact, minRegionSide: 0.5 })).toMatchObject([
      { left: 30, top: 0, width: 10, height: 10 },
    ]);
  });

  it('cuts a square that is larger than the image down to it', () => {
    expect(findRegions(boxes(40, 10, [4, 2, 30, 6, 1]), exact)).toMatchObject([
      { left: 4, top: 0, width: 30, height: 10 },
    ]);
  });

  it('keeps to the number of regions asked for, and leaves specks and near-copies out', () => {
    const three = boxes(60, 20, [0, 0, 8, 8, 1], [20, 0, 7, 7, 1], [40, 0, 6, 6, 1]);
    expect(findRegions(three, { ...exact, maxRegions: 2 })).toHaveLength(2);
    const speck = boxes(60, 20, [0, 0, 10, 10, 1], [30, 5, 2, 2, 1]);
    expect(findRegions(speck, exact)).toHaveLength(1);
    expect(findRegions(speck, { ...exact, minMass: 0.01 })).toHaveLength(2);
    const close = boxes(60, 60, [20, 20, 4, 4, 1], [25, 20, 4, 4, 1]);
    expect(findRegions(close, { ...exact, minRegionSide: 0.5 })).toHaveLength(1);
  });

  it('finds nothing in a flat map', () => {
    expect(findRegions(boxes(8, 8, [0, 0, 8, 8, 0.7]))).toEqual([]);
    expect(findRegions(boxes(8, 8))).toEqual([]);
  });

  it('gives boxes of whole pixels inside the image, whatever the map', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 24 }),
        fc.integer({ min: 1, max: 24 }),
        fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
        fc.constantFrom('otsu' as const, 'quantile' as const, 'fixed' as const),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (width, height, values, thresholdRule, thresholdValue, minRegionSide) => {
          const data = Float32Array.from({ length: width * height }, () => values.next().value);
          for (const region of findRegions(
            { width, height, data },
            { thresholdRule, thresholdValue, minRegionSide, regionPadding: thresholdValue },
          )) {
            for (const side of [region.left, region.top, region.width, region.height]) {
              expect(Number.isInteger(side)).toBe(true);
            }
            expect(region.left).toBeGreaterThanOrEqual(0);
            expect(region.top).toBeGreaterThanOrEqual(0);
            expect(region.width).toBeGreaterThan(0);
            expect(region.height).toBeGreaterThan(0);
            expect(region.left + region.width).toBeLessThanOrEqual(width);
            expect(region.top + region.height).toBeLessThanOrEqual(height);
            expect(region.mass).toBeLessThanOrEqual(1 + 1e-9);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
  'finds no regions in a map that holds %d, and says so',
  (value) => {
    const map = boxes(8, 8, [2, 2, 3, 3, 1]);
    map.data[60] = value;
    expect(() => findRegions(map, exact)).toThrow(NotFiniteError);
    expect(() => findRegions(map, exact)).toThrow('saliency map: it holds NaN or an infinity');
  },
);
