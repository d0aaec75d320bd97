/** @file The noise of a clip. */
import { expect, it } from 'vitest';
import { frameLatent } from '../../models/frames.ts';
import { dot, mean } from '../../numbers.ts';
import { randomSource } from '../../random/random-source.ts';
import { drawFrameNoise, sharedGradient } from './frame-noise.ts';

const SHAPE = [1, 2, 3, 40, 50];

const framesOfNoise = (share: number) => {
  const noise = drawFrameNoise(randomSource('cpu', 7), SHAPE, share);
  return [0, 1, 2].map((frame) => frameLatent(noise, SHAPE, frame));
};

it.each([0, 0.3, 0.5, 1])('frames have the variance 1, and %d in common', (share) => {
  const frames = framesOfNoise(share);
  for (const a of frames)
    for (const b of frames) expect(Math.abs(dot(a, b) / a.length - (a === b ? 1 : share))).toBeLessThan(0.06);
  expect(Math.abs(mean(frames[0]))).toBeLessThan(0.05);
});

it('is that of torch where nothing is shared, and of a picture', () => {
  const drawn = Float64Array.from(randomSource('cpu', 7).randn(SHAPE));
  expect(drawFrameNoise(randomSource('cpu', 7), SHAPE, 0)).toEqual(drawn);
  const picture = [1, 4, 5, 6];
  expect(drawFrameNoise(randomSource('cpu', 7), picture, 0.9)).toEqual(
    Float64Array.from(randomSource('cpu', 7).randn(picture)),
  );
  const gradient = Float64Array.from({ length: 120 }, (_, i) => i);
  expect(sharedGradient(gradient, picture, 0.5)).toBe(gradient);
});

it('a step along the gradient of both parts moves the noise by the shared gradient', () => {
  const shape = [1, 1, 3, 1, 2];
  const share = 0.36;
  const gradient = Float64Array.of(1, 2, 3, 5, 8, -13);
  // The parts: three frames of two numbers, then the shared one; the noise is linear in them.
  const mix = (parts: readonly number[]) =>
    Array.from({ length: 6 }, (_, i) => 0.6 * parts[6 + (i % 2)] + 0.8 * parts[i]);
  const ofParts = Array.from({ length: 8 }, (_, p) =>
    mix(Array.from({ length: 8 }, (_, i) => (i === p ? 1 : 0))).reduce(
      (sum, value, i) => sum + value * gradient[i],
      0,
    ),
  );
  const moved = mix(ofParts);
  for (const [i, value] of sharedGradient(gradient, shape, share).entries())
    expect(value).toBeCloseTo(moved[i], 12);
});
