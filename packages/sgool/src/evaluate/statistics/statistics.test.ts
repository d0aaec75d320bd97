import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mean, populationDeviation } from '../../numbers.ts';
import { mulberry32 } from '../mulberry32.ts';
import { bootstrapInterval, groupedInterval } from './bootstrap.ts';
import { compareGroups, comparePairs, promptsNeeded, sampleDeviation } from './compare.ts';
import { median } from './descriptive.ts';
import { equivalentN, equivalentNInterval, expectedMaximum, withinDeviation } from './equivalent-n.ts';
import { normalCdf, normalQuantile, normalTail } from './normal.ts';
import { holm, signedRankTest } from './wilcoxon.ts';
import { pearson, withinCorrelation } from './within-correlation.ts';

/** Numbers of SciPy (fixtures/make/evaluate_statistics.py). */
const scipy = JSON.parse(
  readFileSync(new URL('../../../../../fixtures/data/statistics.json', import.meta.url), 'utf8'),
) as {
  signed_rank: { values: number[]; positive: number; p: number }[];
  normal: { x: number; cdf: number; tail: number }[];
  quantile: { p: number; x: number }[];
  expected_maximum: { n: number; value: number }[];
  power: { d: number; n: number }[];
};

describe('averages', () => {
  it('are the mean, the middle and the spread', () => {
    expect(mean([1, 2, 6])).toBe(3);
    expect([median([3, 1, 9]), median([4, 1, 2, 100])]).toEqual([3, 3]);
    expect(() => median([])).toThrow('needs at least one value');
    expect(populationDeviation([1, 3, 1, 3])).toBe(1);
  });
});

describe('the bootstrap', () => {
  it('gives the same interval every time, around the mean, narrower for more values', () => {
    const values = Array.from({ length: 40 }, (_, i) => Math.sin(i) + 1);
    const interval = bootstrapInterval(values);
    expect(bootstrapInterval(values)).toEqual(interval);
    expect(interval.low).toBeLessThan(mean(values));
    expect(interval.high).toBeGreaterThan(mean(values));
    const more = bootstrapInterval([...values, ...values, ...values, ...values]);
    expect((more.high - more.low) / (interval.high - interval.low)).toBeCloseTo(0.5, 1);
  });

  it('agrees with the normal interval where that holds', () => {
    const values = Array.from({ length: 100 }, (_, i) => ((i * 37) % 100) / 100);
    const { low, high } = bootstrapInterval(values);
    expect(high - low).toBeCloseTo((2 * 1.96 * populationDeviation(values)) / 10, 2);
  });
});

describe('a paired comparison', () => {
  it('counts wins, ties and losses by the margin', () => {
    const { difference, wins, ties, losses } = comparePairs([1, 2, 3, 4], [2, 2.1, 2, 6], 0.2);
    expect(difference).toBeCloseTo((1 + 0.1 - 1 + 2) / 4, 12);
    expect([wins, ties, losses]).toEqual([2, 1, 1]);
  });

  it('needs pairs', () => {
    expect(() => comparePairs([1, 2], [1], 0)).toThrow(/got 2 and 1/);
    expect(() => comparePairs([], [], 0)).toThrow(/got 0 and 0/);
  });
});

describe('the normal distribution', () => {
  it.each(scipy.normal)('has the area of SciPy up to $x', ({ x, cdf, tail }) => {
    expect(normalCdf(x)).toBeCloseTo(cdf, 14);
    expect(normalTail(x) / tail).toBeCloseTo(1, 11);
  });

  it.each(scipy.quantile)('has the quantile of SciPy at $p', ({ p, x }) => {
    expect(normalQuantile(p)).toBeCloseTo(x, 11);
  });

  it('has no quantile at 0 or 1', () => {
    for (const p of [0, 1, Number.NaN]) expect(() => normalQuantile(p)).toThrow('needs 0 < p < 1');
  });
});

describe('the signed-rank test', () => {
  it.each(scipy.signed_rank.map((one) => [one.values.length, one] as const))(
    'agrees with SciPy for %i values',
    (_, one) => {
      const { positive, negative, p, count, effect } = signedRankTest(one.values);
      expect(positive).toBe(one.positive);
      expect(p).toBeCloseTo(one.p, 12);
      expect(positive + negative).toBe((count * (count + 1)) / 2);
      expect(effect).toBeCloseTo((positive - negative) / (positive + negative), 12);
    },
  );

  it('finds nothing where nothing differs, and the same the other way round', () => {
    expect(signedRankTest([0, 0])).toMatchObject({ p: 1, count: 0, effect: 0 });
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 70 }), (values) => {
        const [there, back] = [signedRankTest(values), signedRankTest(values.map((v) => -v))];
        expect(back.p).toBeCloseTo(there.p, 10);
        expect(back.effect).toBeCloseTo(-there.effect, 10);
        expect(there.p).toBeGreaterThan(0);
        expect(there.p).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe("Holm's correction", () => {
  it('multiplies the smallest p by the number of tests, and never falls', () => {
    expect(holm([0.01, 0.04, 0.03])).toEqual([0.03, 0.06, 0.06]);
    expect(holm([0.5, 0.6])).toEqual([1, 1]);
    expect(holm([])).toEqual([]);
  });

  it('is at most Bonferroni, at least the p itself, and keeps the order', () => {
    const p = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(p, (values) => {
        const adjusted = holm(values);
        values.forEach((value, i) => {
          expect(adjusted[i]).toBeGreaterThanOrEqual(value);
          expect(adjusted[i]).toBeLessThanOrEqual(Math.min(1, value * values.length) + 1e-15);
          values.forEach((other, j) => {
            if (other < value) expect(adjusted[j]).toBeLessThanOrEqual(adjusted[i]);
          });
        });
      }),
    );
  });
});

describe('groups of seeds', () => {
  /** A normal variable by the sum of twelve uniform ones. */
  const normal = (uniform: () => number) => Array.from({ length: 12 }, uniform).reduce((a, b) => a + b) - 6;

  it('widen the interval by the spread of prompts, however many seeds each has', () => {
    const uniform = mulberry32(3);
    const prompts = Array.from({ length: 30 }, () => normal(uniform));
    const many = prompts.map((value) => Array.from({ length: 20 }, () => value + 0.01 * normal(uniform)));
    const { low, high } = groupedInterval(many);
    const byPrompt = bootstrapInterval(prompts);
    expect((high - low) / (byPrompt.high - byPrompt.low)).toBeCloseTo(1, 1);
    // As if all pairs were independent, it would be sqrt(20) times narrower.
    const naive = bootstrapInterval(many.flat());
    expect((high - low) / (naive.high - naive.low)).toBeGreaterThan(3);
  });

  it('widen it by the spread of seeds where prompts do not differ', () => {
    const uniform = mulberry32(4);
    const groups = Array.from({ length: 40 }, () => [normal(uniform), normal(uniform)]);
    const { low, high } = groupedInterval(groups);
    const inner = bootstrapInterval(groups.map(mean));
    expect(high - low).toBeGreaterThan(1.2 * (inner.high - inner.low));
  });

  it('holds the true mean in about 95 of 100 experiments', () => {
    const uniform = mulberry32(11);
    let held = 0;
    for (let trial = 0; trial < 60; trial++) {
      const groups = Array.from({ length: 25 }, () => {
        const prompt = normal(uniform);
        return [prompt + 0.5 * normal(uniform), prompt + 0.5 * normal(uniform)];
      });
      const { low, high } = groupedInterval(groups, trial + 1);
      if (low <= 0 && high >= 0) held++;
    }
    expect(held).toBeGreaterThanOrEqual(52);
  });

  it('count a prompt once for the test and each pair once for wins', () => {
    const result = compareGroups([[1, 1, 1, 1], [-1], [0.5]], 0.6);
    expect(result).toMatchObject({ prompts: 3, pairs: 6, wins: 4, ties: 1, losses: 1 });
    expect(result.difference).toBeCloseTo(0.5 / 3, 12);
    expect(result.test.count).toBe(3);
    const deviation = sampleDeviation([1, -1, 0.5]);
    expect(result.effectSize).toBeCloseTo(0.5 / 3 / deviation, 12);
    expect(result.needed).toBe(promptsNeeded(0.5 / 3, deviation));
    expect(() => compareGroups([[1], []], 0)).toThrow('needs a difference for every prompt');
    expect(() => compareGroups([], 0)).toThrow('got 0 prompts');
  });

  it.each(scipy.power)('need as many prompts as the exact power says for d = $d', ({ d, n }) => {
    expect(Math.abs(promptsNeeded(d, 1) - n)).toBeLessThanOrEqual(1);
  });

  it('need endlessly many prompts where there is no difference', () => {
    expect(promptsNeeded(0, 1)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('equivalent N', () => {
  it.each(scipy.expected_maximum)('knows the expected maximum of $n normal variables', ({ n, value }) => {
    expect(expectedMaximum(n)).toBeCloseTo(value, 8);
  });

  it('finds N from the means and deviations of plain images', () => {
    const uniform = mulberry32(6);
    const normal = () => Array.from({ length: 12 }, uniform).reduce((a, b) => a + b) - 6;
    const plain = Array.from({ length: 400 }, () => {
      const middle = 0.5 + 0.2 * normal();
      return Array.from({ length: 8 }, () => middle + 0.1 * normal());
    });
    const found = equivalentN(plain, mean(plain.map(mean)) + 0.1 * expectedMaximum(16));
    expect(found?.deviation).toBeCloseTo(0.1, 2);
    expect(Math.log2(found?.n ?? 0)).toBeCloseTo(4, 0);
    // The mean of the best of 16, when it is tried.
    const tried = plain.map((scores) => Math.max(...scores));
    expect(Math.log2(equivalentN(plain, mean(tried))?.n ?? 0)).toBeCloseTo(3, 0);
  });

  it('is 1 where a method gains nothing, endless where no search reaches it, unknown without a second seed', () => {
    const plain = [
      [0, 1],
      [1, 2],
    ];
    expect(withinDeviation(plain)).toBeCloseTo(Math.SQRT1_2, 12);
    expect(equivalentN(plain, 0.9)?.n).toBe(1);
    expect(equivalentN(plain, 9)?.n).toBe(Number.POSITIVE_INFINITY);
    expect(equivalentN([[1], [2]], 1)).toBeUndefined();
    expect(equivalentN([[1, 1]], 1)).toBeUndefined();
  });

  it('has an interval that holds the truth in about 95 of 100 experiments', () => {
    const uniform = mulberry32(21);
    const normal = () => Array.from({ length: 12 }, uniform).reduce((a, b) => a + b) - 6;
    let held = 0;
    for (let trial = 0; trial < 20; trial++) {
      // The method is above the plain image of its seed by as much as the best of 8 is, and not the same every time.
      const prompts = Array.from({ length: 30 }, () => {
        const middle = 2 * normal();
        return Array.from({ length: 3 }, () => {
          const plain = middle + normal();
          return [plain, plain + expectedMaximum(8) + 0.5 * normal()] as const;
        });
      });
      const interval = equivalentNInterval(prompts, trial + 1) ?? { low: 0, high: 0 };
      if (interval.low <= 8 && interval.high >= 8) held++;
    }
    expect(held).toBeGreaterThanOrEqual(16);
  });

  it('has an interval by prompts, seeds and the spread of plain images', () => {
    // One prompt gains 1, one gains 0; plain images of both spread alike, so that only the drawn prompts matter.
    const pairs = [
      [
        [0, 1],
        [2, 3],
      ],
      [
        [0, 0],
        [2, 2],
      ],
    ] as const;
    const both = equivalentNInterval(pairs);
    expect(both?.low).toBe(1);
    expect(both?.high).toBeCloseTo(equivalentN([[0, 2]], 2)?.n ?? Number.NaN, 9);
    // Seeds of one prompt that gain differently.
    const seeds = equivalentNInterval([
      [
        [0, 0],
        [2, 4],
      ],
    ]);
    expect(seeds?.low).toBe(1);
    expect(seeds?.high).toBeCloseTo(equivalentN([[0, 2]], 3)?.n ?? Number.NaN, 9);
    // A spread of one prompt only is not shared by the other.
    const spread = equivalentNInterval([
      [
        [0, 2],
        [2, 4],
      ],
      [[1, 3]],
    ]);
    expect(spread?.low).toBeCloseTo(equivalentN([[0, 2]], 3)?.n ?? Number.NaN, 9);
    expect(spread?.high).toBe(spread?.low);
    expect(equivalentNInterval([[[1, 2]], [[3, 9]]])).toBeUndefined();
    expect(
      equivalentNInterval([
        [
          [0, 1e9],
          [1, 1e9],
        ],
      ]),
    ).toEqual({ low: 1e6, high: 1e6 });
  });
});

describe('correlation within groups', () => {
  it('does not see how groups differ', () => {
    const found = withinCorrelation([
      [
        [0, 100],
        [1, 101],
      ],
      [
        [50, 3],
        [51, 4],
        [52, 5],
      ],
      [[7, -80]],
    ]);
    expect(found).toEqual({ r: expect.closeTo(1, 12), interval: expect.anything(), groups: 2, pairs: 5 });
  });

  it('is that of the sums over groups, and its interval is over groups', () => {
    const up: [number, number][] = [
      [0, 0],
      [2, 1],
    ];
    const down: [number, number][] = [
      [0, 2],
      [1, 0],
    ];
    // xx: 2 and 0.5, yy: 0.5 and 2, xy: 1 and -1.
    expect(withinCorrelation([up, down])?.r).toBeCloseTo(0, 12);
    expect(withinCorrelation([up, up, down])?.r).toBeCloseTo(1 / Math.sqrt(4.5 * 3), 12);
    expect(withinCorrelation([up, down])?.interval).toEqual({
      low: expect.closeTo(-1, 12),
      high: expect.closeTo(1, 12),
    });
    expect(withinCorrelation([up])?.interval).toBeUndefined();
  });

  it('is not known where one of them does not differ', () => {
    expect(
      withinCorrelation([
        [
          [1, 0],
          [1, 5],
        ],
      ]),
    ).toBeUndefined();
    expect(withinCorrelation([[[1, 2]]])).toBeUndefined();
  });

  it('is plain correlation of one group', () => {
    const pairs = [
      [1, 2],
      [2, 1],
      [4, 5],
    ] as const;
    expect(pearson(pairs)).toBeCloseTo(withinCorrelation([pairs])?.r ?? Number.NaN, 12);
    expect(pearson(pairs)).toBeCloseTo(16 / Math.sqrt(14 * 26), 12);
    expect(
      pearson([
        [1, 2],
        [1, 5],
      ]),
    ).toBeUndefined();
  });
});
