import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import reference from '../../../../fixtures/data/random.json' with { type: 'json' };
import { UserError } from '../errors.ts';
import { Generator } from './generator.ts';
import { resolveSeed } from './seed.ts';

interface Stored {
  hex?: string;
  sha256?: string;
  values?: number[];
}

function expectSameBits(values: Float32Array | Float64Array, stored: Stored): void {
  const bytes = Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  if (stored.values !== undefined) expect([...values]).toEqual(stored.values);
  else if (stored.hex !== undefined) expect(bytes.toString('hex')).toBe(stored.hex);
  else expect(createHash('sha256').update(bytes).digest('hex')).toBe(stored.sha256);
}

describe('Generator', () => {
  it.each(reference.normal)(
    'randn has the bits of torch: seed $seed, shape $shape',
    ({ seed, shape, ...stored }) => {
      expectSameBits(new Generator(seed).randn(shape), stored);
    },
  );

  it.each(reference.wide)(
    'takes the seeds that torch takes, up to 2^64 - 1: $seed',
    ({ seed, shape, ...stored }) => {
      expectSameBits(new Generator(BigInt(seed)).randn(shape), stored);
    },
  );

  it('randn has the bits of torch in a million numbers', () => {
    expectSameBits(new Generator(123).randn([1_000_000]), reference.million);
  });

  it('rand has the bits of torch', () => {
    const generators = new Map<number, Generator>();
    for (const { seed, shape, float64, ...stored } of reference.uniform) {
      const generator = generators.get(seed) ?? new Generator(seed);
      generators.set(seed, generator);
      expectSameBits(float64 ? generator.rand64(shape) : generator.rand(shape), stored);
    }
  });

  it('stays in step with torch through a mixed stream of calls', () => {
    const generator = new Generator(7);
    const calls = [
      () => generator.randn([3]),
      () => generator.randn([2]),
      () => generator.rand([5]),
      () => generator.randint(-3, 9, [20]),
      () => generator.randn([20]),
      () => generator.randint(0, 2 ** 28 - 1, [3]),
      () => generator.randint(0, 2 ** 28, [3]),
      () => generator.randint(-(2 ** 40), 2 ** 40, [5]),
      () => Float64Array.from(generator.randperm(10)),
      () => Float64Array.from(generator.randperm(1000).subarray(0, 20)),
      () => generator.randn([1]),
      () => generator.rand([3]),
    ];
    calls.forEach((call, i) => {
      expectSameBits(call(), reference.stream[i]);
    });
  });

  it('randn64 follows torch to a few units in the last place', () => {
    const generator = new Generator(11);
    const close = (values: Float64Array, expected: number[]) =>
      values.forEach((value, i) => {
        expect(Math.abs(value - expected[i])).toBeLessThanOrEqual(1e-15 * Math.max(1, Math.abs(expected[i])));
      });
    close(generator.randn64([50]), reference.double.large);
    close(generator.randn64([6]), reference.double.small);
  });

  it('refuses seeds, shapes and ranges that make no sense', () => {
    expect(() => new Generator(0.5)).toThrow('seed must be a whole number, got 0.5');
    expect(() => new Generator(0).randn([2, -1])).toThrow('bad shape, got [2,-1]');
    expect(() => new Generator(0).randint(3, 3, [1])).toThrow('low < high, got 3 and 3');
    expect(() => new Generator(0).randperm(-1)).toThrow('got -1');
  });
});

describe('resolveSeed', () => {
  it('keeps a seed, draws one for -1, refuses the rest', () => {
    expect(resolveSeed(0)).toBe(0);
    expect(resolveSeed(2 ** 53 - 1)).toBe(2 ** 53 - 1);
    const drawn = new Set([resolveSeed(-1), resolveSeed(), resolveSeed(-1)]);
    expect(drawn.size).toBe(3);
    for (const seed of drawn) expect(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32).toBe(true);
    for (const bad of [-2, 1.5, Number.NaN, 2 ** 53]) expect(() => resolveSeed(bad)).toThrow(UserError);
  });
});
