/** @file The low frequencies of one latent with the high ones of another. */
import { describe, expect, it } from 'vitest';
import { readFixture } from '../../diffusion/testing.ts';
import { mean } from '../../numbers.ts';
import { Generator } from '../../random/generator.ts';
import { mixFrequencies } from './frequency-mix.ts';

const fixture = readFixture('free-init.safetensors');

const maxDifference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);

/** Places of an array of a shape, as indices along its axes. */
const placesOf = (axes: readonly number[]): number[][] =>
  axes.reduce<number[][]>(
    (all, length) => all.flatMap((place) => Array.from({ length }, (_, i) => [...place, i])),
    [[]],
  );

/** Real numbers behind the filter, frequency by frequency. */
function directlyFiltered(values: readonly number[], axes: readonly number[]): number[] {
  const places = placesOf(axes);
  const angle = (k: readonly number[], at: readonly number[]) =>
    axes.reduce((sum, length, a) => sum + (2 * Math.PI * k[a] * at[a]) / length, 0);
  const result = values.map(() => 0);
  for (const k of places) {
    const signed = k.map((index, a) => (index < axes[a] / 2 ? index : index - axes[a]));
    const square = signed.reduce((sum, index, a) => sum + ((2 * index) / axes[a]) ** 2, 0);
    const passed = 1 / (1 + (square / 0.0625) ** 4);
    let [re, im] = [0, 0];
    for (const [i, value] of values.entries()) {
      re += value * Math.cos(angle(k, places[i]));
      im -= value * Math.sin(angle(k, places[i]));
    }
    for (const [i, at] of places.entries()) {
      result[i] += (passed * (re * Math.cos(angle(k, at)) - im * Math.sin(angle(k, at)))) / values.length;
    }
  }
  return result;
}

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

  it.each([[[1, 3, 5, 3, 6]], [[2, 2, 4, 2, 2]], [[1, 1, 8, 12]]])(
    'of %j is what the sums of the definition give',
    (shape) => {
      const length = shape.reduce((size, side) => size * side, 1);
      const [low, high] = [noise(length), noise(length)];
      const mixed = mixFrequencies(low, high, shape);
      const axes = shape.slice(2);
      const size = axes.reduce((all, side) => all * side, 1);
      for (let start = 0; start < length; start += size) {
        const difference = (i: number) => low[start + i] - high[start + i];
        const wanted = directlyFiltered(
          Array.from({ length: size }, (_, i) => difference(i)),
          axes,
        );
        for (const [i, value] of wanted.entries())
          expect(mixed[start + i]).toBeCloseTo(high[start + i] + value, 10);
      }
    },
  );

  it('of a latent with itself is that latent', () => {
    const latent = noise(120);
    expect(maxDifference(mixFrequencies(latent, latent, [1, 2, 5, 3, 4]), latent)).toBe(0);
  });
});
