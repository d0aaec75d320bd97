import { expect, it } from 'vitest';
import { dot } from '../numbers.ts';
import { Generator } from '../random/generator.ts';
import { seenThroughBox } from './seen-through-box.ts';

const random = new Generator(2);
const size = { width: 40, height: 30 };
/** A round spot. */
const spot = (x: number, y: number, radius: number) =>
  Float32Array.from({ length: 1200 }, (_, i) =>
    Math.exp(-(((i % 40) + 0.5 - x) ** 2 + (Math.floor(i / 40) + 0.5 - y) ** 2) / radius ** 2),
  );
const boxAround = (x: number, y: number, half: number) => ({
  left: x - half,
  top: y - half,
  width: 2 * half,
  height: 2 * half,
  mass: 1,
});

it('a thing looks the same through its box wherever it is, and whatever its size', () => {
  const small = seenThroughBox(boxAround(10, 9, 8), size).seen(spot(10, 9, 4));
  const large = seenThroughBox(boxAround(24, 15, 14), size).seen(spot(24, 15, 7));
  expect(small).toHaveLength(256);
  for (const [i, value] of small.entries()) expect(Math.abs(value - large[i])).toBeLessThan(0.03);
  const aside = seenThroughBox(boxAround(24, 15, 14), size).seen(spot(14, 15, 7));
  expect(Math.max(...small.map((value, i) => Math.abs(value - aside[i])))).toBeGreaterThan(0.3);
});

it('adds back the transpose, scaled', () => {
  const { seen, addBack } = seenThroughBox({ left: 3, top: 5, width: 20, height: 11, mass: 1 }, size);
  const [map, part] = [Float32Array.from(random.randn([1200])), Float64Array.from(random.randn([256]))];
  const back = new Float64Array(1200).fill(1);
  addBack(back, part, 0.5);
  const moved = back.map((value) => (value - 1) / 0.5);
  expect(dot(seen(map), part)).toBeCloseTo(dot(map, moved), 3);
});
