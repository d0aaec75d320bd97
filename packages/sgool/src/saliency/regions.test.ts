import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NotFiniteError } from '../errors.ts';
import { openSafetensors, readTypedTensor } from '../weights/formats/safetensors.ts';
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

const exactly = { ...exact, squared: false } as const;

describe('agrees with scipy', async () => {
  const file = await openSafetensors(
    new URL('../../../../fixtures/data/saliency.safetensors', import.meta.url).pathname,
  );
  const maps = [...file.tensors].flatMap(([name, { shape }]) =>
    /^regions\..*map$/.test(name)
      ? [{ name: name.replace('.map', ''), height: shape[0], width: shape[1] }]
      : [],
  );
  const read = async (name: string) => (await readTypedTensor(file, name)).data as Float64Array;

  it.each(maps)('$name, $width x $height', async ({ name, width, height }) => {
    const map = { width, height, data: Float32Array.from(await read(`${name}.map`)) };
    // A bin is some 0.003 wide.
    expect(saliencyThreshold(map)).toBeCloseTo((await read(`${name}.threshold`))[0], 7);
    const rows = await read(`${name}.components`);
    const regions = findRegions(map, {
      ...exactly,
      thresholdRule: 'otsu',
      maxRegions: 1000,
      minMass: 0,
    });
    expect(maps).toHaveLength(4);
    expect(regions).toHaveLength(rows.length / 5);
    for (const [i, region] of regions.entries()) {
      const [left, top, right, bottom, mass] = rows.subarray(5 * i, 5 * i + 5);
      const box = { left, top, width: right - left + 1, height: bottom - top + 1 };
      expect(region).toMatchObject(box);
      expect(region.mass).toBeCloseTo(mass, 5);
    }
  });
});

describe('saliencyThreshold', () => {
  it('of two values is the edge of the first bin above the lower one (otsu)', () => {
    expect(saliencyThreshold(draw('..88.8'))).toBeCloseTo(0.8 / 256, 7);
    expect(saliencyThreshold(draw('2226'))).toBeCloseTo(0.2 + 0.4 / 256, 7);
  });

  it('of a flat map is its value (otsu)', () => {
    expect(saliencyThreshold(draw('555'))).toBe(0.5);
    expect(saliencyThreshold(draw('...'))).toBe(0);
    const almost = { width: 2, height: 1, data: Float32Array.of(0.5, 0.5 + 5e-7) };
    expect(saliencyThreshold(almost)).toBe(0.5);
  });

  it('takes the least value for the share 0, the greatest for 1 (quantile)', () => {
    const quantile = (thresholdValue: number) =>
      saliencyThreshold(draw('9301'), { thresholdRule: 'quantile', thresholdValue });
    expect([0, 0.24, 0.25, 0.75, 1].map(quantile).map((value) => Math.round(10 * value))).toEqual([
      0, 0, 1, 9, 9,
    ]);
  });

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

describe('findRegions of boxes', () => {
  const boxed = { left: 2, top: 1, width: 3, height: 2 };
  const map = (...found: (typeof boxed)[]) => ({ ...boxes(10, 8, [0, 0, 10, 8, 0.5]), boxes: found });

  it('takes them without a threshold, flat maps and small boxes too', () => {
    const small = { left: 8, top: 6, width: 1, height: 1 };
    const large = { left: 0, top: 0, width: 8, height: 6 };
    expect(findRegions(map(boxed), { ...exact, squared: false })).toEqual([{ ...boxed, mass: 6 / 80 }]);
    expect(findRegions(map(small, large), { ...exact, squared: false })).toEqual([
      { ...large, mass: 48 / 80 },
      { ...small, mass: 1 / 80 },
    ]);
    expect(findRegions(map(), exact)).toEqual([]);
  });

  it('with padding, least side, greatest number, and without doubles', () => {
    expect(findRegions(map(boxed), { ...exact, regionPadding: 0.5 })).toMatchObject([
      { width: 6, height: 6 },
    ]);
    expect(findRegions(map(boxed, boxed), exact)).toHaveLength(1);
    const other = { left: 7, top: 4, width: 2, height: 2 };
    expect(findRegions(map(other, boxed), { ...exact, maxRegions: 1, squared: false })).toMatchObject([
      boxed,
    ]);
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

  it('counts a pixel at the threshold as salient, and none below', () => {
    expect(findRegions(draw('4#45#5.'), exactly)).toMatchObject([
      { left: 3, width: 3 },
      { left: 1, width: 1 },
    ]);
    expect(findRegions(draw('5.#'), exactly)).toHaveLength(2);
  });

  it('follows a component in every direction', () => {
    const map = draw('.#..', '#..#', '.##.', '....');
    expect(findRegions(map, exactly)).toMatchObject([{ left: 0, top: 0, width: 4, height: 3, mass: 1 }]);
    expect(findRegions(draw('#.', '#.', '#.'), exactly)).toMatchObject([{ top: 0, height: 3 }]);
    expect(findRegions(draw('###', '...'), exactly)).toMatchObject([{ left: 0, width: 3 }]);
    expect(findRegions(draw('#.#'), exactly)).toHaveLength(2);
    expect(findRegions(draw('#', '.', '#'), exactly)).toHaveLength(2);
    expect(findRegions(draw('#.', '..'), exactly)).toMatchObject([{ left: 0, top: 0, width: 1, height: 1 }]);
    // Pixels with one between do not touch, from whichever of them the way comes.
    expect(findRegions(draw('#...', '#..#', '#...', '####'), { ...exactly, minMass: 0 })).toHaveLength(2);
    expect(findRegions(draw('..#', '#.#', '...'), { ...exactly, minMass: 0 })).toHaveLength(2);
    // The edges of the map do not touch each other.
    expect(findRegions(draw('#...#', '.....', '#...#'), { ...exactly, maxRegions: 9 })).toHaveLength(4);
    expect(findRegions(draw('...#', '#...'), exactly)).toHaveLength(2);
  });

  it('rounds sides and corners to the nearest pixel', () => {
    const box = boxes(40, 40, [10, 10, 10, 10, 1]);
    expect(findRegions(box, { ...exact, regionPadding: 0.03 })).toMatchObject([
      { left: 10, top: 10, width: 11, height: 11 },
    ]);
    expect(findRegions(box, { ...exact, regionPadding: 0.02 })).toMatchObject([{ left: 10, width: 10 }]);
  });

  it('pads each side by the share of the longer one where boxes are not squared', () => {
    const map = boxes(40, 40, [10, 16, 10, 4, 1]);
    expect(findRegions(map, { ...exactly, regionPadding: 0.1 })).toMatchObject([
      { left: 9, top: 15, width: 12, height: 6 },
    ]);
    const high = boxes(40, 40, [16, 10, 4, 10, 1]);
    expect(findRegions(high, { ...exactly, regionPadding: 0.1 })).toMatchObject([
      { left: 15, top: 9, width: 6, height: 12 },
    ]);
  });

  it.each([
    { dx: 3, dy: 0, kept: 2 }, // 0.7 exactly
    { dx: 2, dy: 0, kept: 1 },
    { dx: 0, dy: 3, kept: 2 },
    { dx: 0, dy: 2, kept: 1 },
    { dx: 2, dy: 1, kept: 1 }, // 0.71
    { dx: 2, dy: 2, kept: 2 }, // 0.64
    { dx: 17, dy: 17, kept: 2 },
    { dx: 16, dy: 2, kept: 2 },
  ])('of boxes that overlap by more than 0.7 keeps one: $dx, $dy apart', ({ dx, dy, kept }) => {
    // Sides of 17 around single pixels.
    const map = boxes(68, 68, [20, 20, 1, 1, 1], [20 + dx, 20 + dy, 1, 1, 0.9]);
    expect(findRegions(map, { ...exact, minRegionSide: 0.25 })).toHaveLength(kept);
  });

  it('does not take boxes in opposite corners for overlapping', () => {
    const map = boxes(60, 60, [8, 8, 1, 1, 1], [38, 38, 1, 1, 1]);
    expect(findRegions(map, { ...exact, minRegionSide: 0.25 })).toHaveLength(2);
  });

  it('sees the overlap of boxes of one pixel across', () => {
    const options = { ...exact, regionPadding: 4 };
    expect(findRegions(boxes(1, 100, [0, 40, 1, 4, 1], [0, 45, 1, 4, 1]), options)).toHaveLength(1);
    expect(findRegions(boxes(100, 1, [40, 0, 4, 1, 1], [45, 0, 4, 1, 1]), options)).toHaveLength(1);
  });

  it('measures the overlap of boxes of different sizes', () => {
    // A frame, and a box inside of it: 23 x 23 of 27 x 27 is 0.73, 22 x 22 is 0.66.
    const frame = (inner: number) =>
      boxes(
        60,
        60,
        [20, 20, 27, 1, 1],
        [20, 20, 1, 27, 1],
        [20, 46, 27, 1, 1],
        [46, 20, 1, 27, 1],
        [22, 22, inner, inner, 0.9],
      );
    const options = { ...exact, minMass: 0 };
    expect(findRegions(frame(23), options)).toHaveLength(1);
    expect(findRegions(frame(22), options)).toHaveLength(2);
  });

  it('pads, and squares around the centre', () => {
    const map = boxes(40, 40, [10, 16, 10, 4, 1]);
    expect(findRegions(map, { ...exact, regionPadding: 0.1 })).toMatchObject([
      { left: 9, top: 12, width: 12, height: 12 },
    ]);
    expect(findRegions(boxes(40, 40, [16, 10, 4, 10, 1]), exact)).toMatchObject([
      { left: 13, top: 10, width: 10, height: 10 },
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
    // A tenth of the largest one's mass is enough.
    expect(findRegions(boxes(40, 4, [0, 0, 5, 2, 1], [20, 0, 1, 1, 1]), exact)).toHaveLength(2);
    const close = boxes(60, 60, [20, 20, 4, 4, 1], [25, 20, 4, 4, 1]);
    expect(findRegions(close, { ...exact, minRegionSide: 0.5 })).toHaveLength(1);
  });

  it('finds nothing in a flat map', () => {
    expect(findRegions(boxes(8, 8, [0, 0, 8, 8, 0.7]))).toEqual([]);
    expect(findRegions(boxes(8, 8))).toEqual([]);
    expect(findRegions(boxes(8, 8, [0, 0, 8, 4, 9e-7]))).toEqual([]);
    expect(findRegions(boxes(8, 8, [0, 0, 8, 4, 2e-6]))).toHaveLength(1);
  });

  it('refuses a map that is not finite', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const map = boxes(8, 8, [0, 0, 4, 4, 1], [4, 4, 1, 1, value]);
      expect(() => findRegions(map)).toThrow(NotFiniteError);
    }
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
