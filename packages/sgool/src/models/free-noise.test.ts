/** @file The noise of long clips. */
import { expect, test } from 'vitest';
import { Generator } from '../random/generator.ts';
import { rescheduledNoise } from './free-noise.ts';

const SHAPE = [1, 1, 7, 1, 1];
const noise = Float64Array.from({ length: 7 }, (_, i) => i);

test('later frames have the noise of the first ones, in the orders that torch draws', () => {
  const [random, same] = [new Generator(3), new Generator(3)];
  const found = rescheduledNoise(noise, SHAPE, { frames: 4, stride: 2 }, random);
  const [first, second] = [same.randperm(2), same.randperm(2)];
  expect([...found]).toEqual([0, 1, 2, 3, first[0], first[1], 2 + second[0]]);
});

test('what is taken again has its new order', () => {
  const orders = [
    [1, 0],
    [1, 0],
  ];
  const random = { randperm: () => Int32Array.from(orders.shift() ?? []) };
  // The group behind the window is the first one reversed, and the last one that of frames 2 and 3.
  expect([
    ...rescheduledNoise(noise.subarray(0, 6), [1, 1, 6, 1, 1], { frames: 2, stride: 2 }, random),
  ]).toEqual([0, 1, 1, 0, 0, 1]);
});

test('a clip that is seen as a whole keeps its noise', () => {
  const random = new Generator(0);
  expect(rescheduledNoise(noise, SHAPE, undefined, random)).toBe(noise);
  expect(rescheduledNoise(noise, SHAPE, { frames: 7, stride: 2 }, random)).toBe(noise);
});
