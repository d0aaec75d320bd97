/** @file The low frequencies of one latent with the high ones of another. */
import { describe, expect, it } from 'vitest';
import { readFixture } from '../../diffusion/testing.ts';
import { mean } from '../../numbers.ts';
import { Generator } from '../../random/generator.ts';
import { mixFrequencies } from './frequency-mix.ts';

const fixture = readFixture('free-init.safetensors');

const maxDifference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);

describe('mixFrequencies', () => {
  it.each([
    ['clip', [1, 2, 6, 4, 8]],
    ['square', [1, 3, 4, 8, 8]],
  ])('%s is that of diffusers', (name, shape) => {
    const mixed = mixFrequencies(fixture(`${name}.low`), fixture(`${name}.high`), shape);
    // Its filter has float32.
    expect(maxDifference(mixed, fixture(`${name}.mixed`))).toBeLessThan(1e-6);
  });

  const random = new Generator(3);
  const noise = (length: number) => Float64Array.from(random.randn([length]));

  it.each([[[1, 2, 5, 3, 7]], [[1, 2, 1, 8, 8]], [[1, 2, 8, 8]]])(
    'of %j keeps the mean of the low one in each channel',
    (shape) => {
      const length = shape.reduce((size, side) => size * side, 1);
      const [low, high] = [noise(length), noise(length)];
      const mixed = mixFrequencies(low, high, shape);
      for (const half of [0, 1]) {
        const part = (all: Float64Array) => all.subarray((half * length) / 2, ((half + 1) * length) / 2);
        expect(mean(part(mixed))).toBeCloseTo(mean(part(low)), 10);
      }
      expect(maxDifference(mixed, high)).toBeGreaterThan(0.1);
    },
  );

  it('of a latent with itself is that latent', () => {
    const latent = noise(120);
    expect(maxDifference(mixFrequencies(latent, latent, [1, 2, 5, 3, 4]), latent)).toBe(0);
  });
});
