import { expect, it } from 'vitest';
import {
  dot,
  mean,
  populationDeviation,
  product,
  readDecimal,
  roundHalfToEven,
  sampleDeviation,
  sum,
} from './numbers.ts';

it.each([
  ['3', 3],
  [' -0.5\n', -0.5],
  ['.5', 0.5],
  ['+2.', 2],
  ['1e-3', 0.001],
  ['1E+3', 1000],
  ['1e308', 1e308],
])('reads %j as %d', (text, value) => {
  expect(readDecimal(text)).toBe(value);
});

it.each([
  ...[
    '1e309',
    '',
    ' ',
    '.',
    '-',
    'e3',
    '1e',
    '0x10',
    '0b1',
    '1_000',
    '1,5',
    '1 2',
    'NaN',
    'Infinity',
    '3abc',
    '٣',
  ],
])('reads no number in %j', (text) => {
  expect(readDecimal(text)).toBeUndefined();
});

it('sums, multiplies and averages, with 0 and 1 for nothing', () => {
  expect(sum([1, 2, 4])).toBe(7);
  expect(sum([])).toBe(0);
  expect(sum(new Map([['a', 3]]).values())).toBe(3);
  expect(product([2, 3, 4])).toBe(24);
  expect(product([])).toBe(1);
  expect(mean(Float32Array.of(1, 2, 6))).toBe(3);
  expect(mean([])).toBeNaN();
});

it('has the deviation of all values, and the one of a sample', () => {
  expect(populationDeviation([1, 3, 1, 3])).toBe(1);
  expect(sampleDeviation([1, 3, 1, 3])).toBeCloseTo(Math.sqrt(4 / 3), 12);
  expect(populationDeviation(Uint8Array.of(5))).toBe(0);
  expect(sampleDeviation([5])).toBeNaN();
  // Far from zero, where the mean of the squares has no digits left.
  expect(populationDeviation([1e9 + 1, 1e9 + 3])).toBe(1);
});

it('multiplies vectors', () => {
  expect(dot([1, 2, 3], Float64Array.of(4, 5, 6))).toBe(32);
});

it('rounds halves to even', () => {
  expect([0.5, 1.5, 2.5, -0.5, -1.5, 2.4, 2.6].map(roundHalfToEven)).toEqual([0, 2, 2, 0, -2, 2, 3]);
});
