import { describe, expect, it } from 'vitest';
import { mean } from '../numbers.ts';
import { Generator } from './generator.ts';
import { chiSquareDeviation, noiseTests } from './noise-tests.ts';

const shape = [1, 4, 20, 16];
const noise = (seed: number) => Float64Array.from(new Generator(seed).randn(shape));

describe('noiseTests', () => {
  it('are standard normal for noise', () => {
    const all = Array.from({ length: 300 }, (_, seed) => noiseTests(noise(seed), shape));
    for (const key of ['norm', 'patches'] as const) {
      const values = all.map((one) => one[key]);
      expect(mean(values), key).toBeCloseTo(0, 0);
      expect(mean(values.map((value) => value ** 2)), key).toBeGreaterThan(0.8);
      expect(mean(values.map((value) => value ** 2)), key).toBeLessThan(1.2);
      expect(values.filter((value) => Math.abs(value) > 2).length, key).toBeLessThan(30);
    }
  });

  it('see a wrong length, both ways', () => {
    expect(
      noiseTests(
        noise(1).map((value) => 1.18 * value),
        shape,
      ).norm,
    ).toBeGreaterThan(6);
    expect(
      noiseTests(
        noise(1).map((value) => 0.8 * value),
        shape,
      ).norm,
    ).toBeLessThan(-6);
  });

  it('see a shape of the size of a patch in one plane, and none of single elements', () => {
    const blob = noise(2).map((value, i) =>
      i < 320 && Math.floor(i / 16) < 8 && i % 16 < 8 ? value + 1 : value,
    );
    const before = noiseTests(noise(2), shape);
    const after = noiseTests(blob, shape);
    expect(after.patches).toBeGreaterThan(before.patches + 5);
    const chequered = noise(2).map((value, i) => value + ((i + Math.floor(i / 16)) % 2 ? 1 : -1));
    expect(noiseTests(chequered, shape).patches).toBeCloseTo(before.patches, 6);
  });

  it('take the smaller patches at the edge for what they are', () => {
    // One plane of 8 x 8, and one of 4 x 8 below it.
    const ones = new Float64Array(96).fill(1);
    expect(noiseTests(ones, [12, 8]).patches).toBeCloseTo(chiSquareDeviation(64 + 32, 2), 12);
    expect(noiseTests(ones, [12, 8]).norm).toBeCloseTo(chiSquareDeviation(96, 96), 12);
  });
});

it('chiSquareDeviation gives the quantiles of chi-square', () => {
  // 0.025, 0.5 and 0.975 of ten degrees of freedom, from tables.
  expect(chiSquareDeviation(3.247, 10)).toBeCloseTo(-1.96, 1);
  expect(chiSquareDeviation(9.342, 10)).toBeCloseTo(0, 2);
  expect(chiSquareDeviation(20.483, 10)).toBeCloseTo(1.96, 2);
});
