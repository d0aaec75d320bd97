import { describe, expect, it } from 'vitest';
import reference from '../../../../fixtures/data/philox.json' with { type: 'json' };
import { PhiloxGenerator, philox4x32 } from './philox.ts';

/** Known answers of Random123's philox4x32-10. */
const KNOWN = [
  [[0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
  [Array(4).fill(0xffffffff), Array(2).fill(0xffffffff), '408f276d 41c83b0e a20bc7c6 6d5451fd'],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    'd16cfe09 94fdcceb 5001e420 24126ea1',
  ],
] as const;

/** `torch.randn(3, 4, device='cuda')` after `torch.manual_seed(0)`, as the web UI's rng_philox.py states it. */
const PUBLISHED = [
  -0.92466259, -0.42534415, -2.6438457, 0.14518388, -0.12086647, -0.57972564, -0.62285122, -0.32838709,
  -1.07454231, -0.36314407, -1.67105067, 2.26550497,
];

describe('PhiloxGenerator', () => {
  it.each(KNOWN)('has the known answers of Philox 4x32-10: %j, %j', (counter, key, words) => {
    const hex = philox4x32(counter as never, key as never).map((word) => word.toString(16).padStart(8, '0'));
    expect(hex.join(' ')).toBe(words);
  });

  it("randn has the numbers of torch's CUDA generator", () => {
    const values = new PhiloxGenerator(0).randn([3, 4]);
    // To the eight decimals that are published.
    PUBLISHED.forEach((value, i) => {
      expect(Math.abs(values[i] - Math.fround(value))).toBeLessThan(1e-8);
    });
  });

  it.each(reference.normal)(
    'has new numbers at every call, as the reference: seed $seed',
    ({ seed, calls }) => {
      const generator = new PhiloxGenerator(BigInt(seed));
      for (const { shape, values } of calls) {
        const drawn = generator.randn(shape);
        // The logarithm and the sine are those of the JavaScript engine: a unit in the last place at most.
        values.forEach((value, i) => {
          expect(Math.abs(drawn[i] - value)).toBeLessThanOrEqual(2 ** -23 * Math.abs(value));
        });
      }
    },
  );

  it('rand and randint stay in their ranges, and every call takes a counter', () => {
    const generator = new PhiloxGenerator(7);
    const uniform = generator.rand([10_000]);
    expect(uniform.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(uniform.reduce((sum, value) => sum + value, 0) / 10_000).toBeCloseTo(0.5, 1);
    expect(new Set(generator.randint(-3, 9, [1000])).size).toBe(12);
    const wide = generator.randint(-(2 ** 40), 2 ** 40, [100]);
    expect(wide.every((value) => Number.isSafeInteger(value) && Math.abs(value) <= 2 ** 40)).toBe(true);
    const other = new PhiloxGenerator(7);
    for (let i = 0; i < 3; i++) other.rand([1]);
    expect(generator.randn([4])).toEqual(other.randn([4]));
  });

  it('refuses seeds, shapes and ranges that make no sense', () => {
    expect(() => new PhiloxGenerator(0.5)).toThrow('seed must be a whole number, got 0.5');
    expect(() => new PhiloxGenerator(0).randn([-1])).toThrow('bad shape, got [-1]');
    expect(() => new PhiloxGenerator(0).randint(3, 3, [1])).toThrow('low < high, got 3 and 3');
  });
});
