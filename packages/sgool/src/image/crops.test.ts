import { describe, expect, it } from 'vitest';
import { boxCrop, middleCrop, throughMask, wholeCrop } from './crops.ts';
import { resampleMatrix } from './resample.ts';

/** Rows `from` to `to` of a matrix with rows of `length` numbers. */
const rowsOf = (matrix: Float32Array, length: number, from: number, to: number) =>
  matrix.slice(from * length, to * length);

describe('wholeCrop', () => {
  it('is the resized image where it is square, without a mask', () => {
    const { rows, columns, mask } = wholeCrop({ width: 9, height: 9, side: 6 }, 'bilinear');
    expect(rows).toEqual(resampleMatrix(9, 6, { filter: 'bilinear' }));
    expect(columns).toEqual(rows);
    expect(mask).toBeUndefined();
  });

  it.each([
    { width: 12, height: 8, across: [0, 6], down: [1, 5] },
    { width: 8, height: 12, across: [1, 5], down: [0, 6] },
    // Three of six rows: the odd one is below.
    { width: 8, height: 4, across: [0, 6], down: [1, 4] },
    { width: 100, height: 1, across: [0, 6], down: [2, 3] },
  ])('letterboxes $width x $height into 6 x 6: nothing is cut, nothing is distorted', (given) => {
    const { width, height, across, down } = given;
    const { rows, columns, mask } = wholeCrop({ width, height, side: 6 });
    expect(rowsOf(rows, height, down[0], down[1])).toEqual(resampleMatrix(height, down[1] - down[0]));
    expect(rowsOf(columns, width, across[0], across[1])).toEqual(
      resampleMatrix(width, across[1] - across[0]),
    );
    const shown = Array.from({ length: 36 }, (_, i) => {
      const [x, y] = [i % 6, Math.floor(i / 6)];
      return x >= across[0] && x < across[1] && y >= down[0] && y < down[1] ? 1 : 0;
    });
    expect([...(mask ?? [])]).toEqual(shown);
    const outside = [...rowsOf(rows, height, 0, down[0]), ...rowsOf(rows, height, down[1], 6)];
    expect(outside.every((value) => value === 0)).toBe(true);
  });
});

it('middleCrop is the largest square from the middle', () => {
  const sizes = { width: 10, height: 4, side: 3 };
  expect(middleCrop(sizes)).toEqual(boxCrop({ left: 3, top: 0, width: 4, height: 4 }, sizes));
  const high = { width: 4, height: 10, side: 3 };
  expect(middleCrop(high)).toEqual(boxCrop({ left: 0, top: 3, width: 4, height: 4 }, high));
});

describe('throughMask', () => {
  it('shows what the mask shows, as the view sees it', () => {
    const crop = boxCrop({ left: 2, top: 0, width: 2, height: 2 }, { width: 4, height: 2, side: 2 });
    const mask = Float32Array.of(1, 1, 0.25, 0.5, 1, 1, 0, 1);
    const seen = throughMask(crop, mask, { width: 4, height: 2 });
    expect(seen).toMatchObject({ rows: crop.rows, columns: crop.columns });
    expect([...(seen.mask ?? [])]).toEqual([0.25, 0.5, 0, 1]);
  });

  it('stays in [0, 1], and does not show the borders of a letterbox', () => {
    const size = { width: 8, height: 4 };
    const mask = Float32Array.from({ length: 32 }, (_, i) => (i % 8 < 4 ? 1 : 0));
    const whole = wholeCrop({ ...size, side: 16 });
    const seen = throughMask(whole, mask, size).mask ?? [];
    expect(Math.max(...seen)).toBe(1);
    expect(Math.min(...seen)).toBe(0);
    expect([...seen].slice(0, 4 * 16).every((value) => value === 0)).toBe(true);
    expect(seen[8 * 16 + 2]).toBe(1);
  });
});
