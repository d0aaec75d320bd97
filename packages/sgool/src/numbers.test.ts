import { expect, it } from 'vitest';
import { dot, mean, product, roundHalfToEven, sum } from './numbers.ts';

it('sums, multiplies and averages, with 0 and 1 for nothing', () => {
  expect(sum([1, 2, 4])).toBe(7);
  expect(sum([])).toBe(0);
  expect(sum(new Map([['a', 3]]).values())).toBe(3);
  expect(product([2, 3, 4])).toBe(24);
  expect(product([])).toBe(1);
  expect(mean(Float32Array.of(1, 2, 6))).toBe(3);
  expect(mean([])).toBeNaN();
});

it('multiplies vectors', () => {
  expect(dot([1, 2, 3], Float64Array.of(4, 5, 6))).toBe(32);
});

it('rounds halves to even', () => {
  expect([0.5, 1.5, 2.5, -0.5, -1.5, 2.4, 2.6].map(roundHalfToEven)).toEqual([0, 2, 2, 0, -2, 2, 3]);
});
