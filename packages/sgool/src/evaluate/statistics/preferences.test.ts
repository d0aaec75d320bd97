import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mean } from '../../numbers.ts';
import { mulberry32 } from '../mulberry32.ts';
import { bradleyTerry, davidsonChances, derivatives, type PairCounts, posterior } from './bradley-terry.ts';
import { crossedInterval, crossedResamples } from './crossed-bootstrap.ts';
import { krippendorffAlpha } from './krippendorff.ts';
import { wilsonInterval } from './wilson.ts';

/** Numbers of SciPy and NumPy (fixtures/make/study_statistics.py). */
const python = JSON.parse(
  readFileSync(new URL('../../../../../fixtures/data/study-statistics.json', import.meta.url), 'utf8'),
) as {
  davidson: { methods: number; counts: PairCounts[]; prior: number; strengths: number[]; tie: number }[];
  alpha: { units: string[][]; alpha: number }[];
  wilson: { hits: number; count: number; low: number; high: number }[];
  crossed: { values: { row: number; column: number; value: number }[]; low: number; high: number }[];
};

describe("Davidson's model", () => {
  it.each(python.davidson)('has the strengths of SciPy for $methods methods, prior $prior', (known) => {
    const { strengths, tie } = bradleyTerry(known.methods, known.counts, known.prior);
    for (const [i, strength] of known.strengths.entries()) expect(strengths[i]).toBeCloseTo(strength, 5);
    expect(tie).toBeCloseTo(known.tie, 5);
  });

  const counts = fc.array(
    fc.record({
      a: fc.constant(0),
      b: fc.integer({ min: 1, max: 3 }),
      wins: fc.integer({ min: 0, max: 50 }),
      ties: fc.integer({ min: 0, max: 50 }),
      losses: fc.integer({ min: 0, max: 50 }),
    }),
    { minLength: 1, maxLength: 6 },
  );

  it('does not depend on which method is named first', () => {
    fc.assert(
      fc.property(counts, (given) => {
        const turned = given.map(({ a, b, wins, ties, losses }) => ({
          a: b,
          b: a,
          wins: losses,
          ties,
          losses: wins,
        }));
        const [one, other] = [bradleyTerry(4, given), bradleyTerry(4, turned)];
        for (const [i, strength] of one.strengths.entries())
          expect(other.strengths[i]).toBeCloseTo(strength, 6);
        expect(mean(one.strengths)).toBeCloseTo(0, 9);
      }),
    );
  });

  it('puts a method higher for each further choice of it, and is 0 for none', () => {
    fc.assert(
      fc.property(counts, (given) => {
        const [before] = bradleyTerry(4, given).strengths;
        const [after] = bradleyTerry(4, [...given, { a: 0, b: 1, wins: 1, ties: 0, losses: 0 }]).strengths;
        expect(after).toBeGreaterThan(before);
      }),
    );
    expect(bradleyTerry(3, []).strengths).toEqual([0, 0, 0]);
  });

  it('expects what was counted where the prior is wide', () => {
    const { strengths, tie } = bradleyTerry(2, [{ a: 0, b: 1, wins: 50, ties: 30, losses: 20 }], 1e4);
    const chances = davidsonChances(strengths[0] - strengths[1], tie);
    for (const [i, share] of [0.5, 0.3, 0.2].entries()) expect(chances[i]).toBeCloseTo(share, 6);
  });
});

describe("Krippendorff's alpha", () => {
  it.each(python.alpha)('is as from all pairs of answers: $alpha', ({ units, alpha }) => {
    expect(krippendorffAlpha(units)).toBeCloseTo(alpha, 12);
  });

  it('is that of the published example with missing answers', () => {
    // Krippendorff 2011, section C: four observers, twelve units, alpha = 0.743.
    const rows = [
      '1 2 3 3 2 1 4 1 2 . . .',
      '1 2 3 3 2 2 4 1 2 5 . 3',
      '. 3 3 3 2 3 4 2 2 5 1 .',
      '1 2 3 3 2 4 4 1 2 5 1 .',
    ];
    const units = Array.from({ length: 12 }, (_, i) =>
      rows.map((row) => row.split(' ')[i]).filter((answer) => answer !== '.'),
    );
    expect(krippendorffAlpha(units)).toBeCloseTo(0.743, 3);
  });

  it('is 1 for agreement, not more than 0 for disagreement, and not known without two answers', () => {
    expect(
      krippendorffAlpha([
        ['a', 'a'],
        ['b', 'b', 'b'],
      ]),
    ).toBe(1);
    expect(
      krippendorffAlpha([
        ['a', 'b'],
        ['b', 'a'],
      ]),
    ).toBeLessThanOrEqual(0);
    expect(krippendorffAlpha([['a'], ['b']])).toBeUndefined();
    expect(
      krippendorffAlpha([
        ['a', 'a'],
        ['a', 'a'],
      ]),
    ).toBeUndefined();
  });
});

describe("Wilson's interval", () => {
  it.each(python.wilson)('is that of SciPy for $hits of $count', ({ hits, count, low, high }) => {
    const interval = wilsonInterval(hits / count, count);
    expect(interval.low).toBeCloseTo(low, 9);
    expect(interval.high).toBeCloseTo(high, 9);
  });
});

describe('the bootstrap over rows and columns', () => {
  it.each(python.crossed)('has the interval of NumPy from $low to $high', ({ values, low, high }) => {
    const interval = crossedInterval(values, { resamples: 20_000 });
    expect(interval?.low).toBeCloseTo(low, 1.9);
    expect(interval?.high).toBeCloseTo(high, 1.9);
    expect(crossedInterval(values)).toEqual(crossedInterval(values));
  });

  it('draws rows and columns, and never nothing', () => {
    const places = [
      { row: 0, column: 0 },
      { row: 1, column: 1 },
    ];
    const seen = new Set<string>();
    crossedResamples(places, (weights) => seen.add(weights.join(' ')), { resamples: 500 });
    expect([...seen].toSorted()).toEqual(['0 2', '0 4', '1 1', '2 0', '4 0']);
    expect(crossedInterval([])).toBeUndefined();
  });

  it('is wide where raters differ, although the answers are many', () => {
    const uniform = mulberry32(3);
    const values = (luck: (row: number) => number) =>
      Array.from({ length: 10 * 100 }, (_, i) => ({
        row: Math.floor(i / 100),
        column: i % 100,
        value: luck(Math.floor(i / 100)),
      }));
    const width = (all: ReturnType<typeof values>) => {
      const { low = 0, high = 0 } = crossedInterval(all) ?? {};
      return high - low;
    };
    const byRater = width(values((row) => row % 2));
    const byLuck = width(values(() => (uniform() < 0.5 ? 0 : 1)));
    expect(byRater).toBeGreaterThan(0.5);
    expect(byLuck).toBeLessThan(0.15);
  });
});

describe("the derivatives of Davidson's model", () => {
  it('are those of the posterior: slopes, and curvatures between strengths and ties', () => {
    const counts = [
      { a: 0, b: 1, wins: 7, ties: 2, losses: 3 },
      { a: 2, b: 0, wins: 1, ties: 4, losses: 0.5 },
    ];
    // Far from balance, where wins and losses of a couple do not cancel in the cross term with the tie.
    const at = Float64Array.of(0.9, -0.4, 0.2, -0.3);
    const step = 1e-4;
    const moved = (i: number, by: number) => at.map((x, k) => (k === i ? x + by : x));
    const { gradient, hessian } = derivatives(at, counts, 4);
    for (let i = 0; i < at.length; i++) {
      const [above, below] = [moved(i, step), moved(i, -step)];
      const slope = (posterior(above, counts, 4) - posterior(below, counts, 4)) / (2 * step);
      expect(gradient[i]).toBeCloseTo(slope, 6);
      const [up, down] = [above, below].map((place) => derivatives(place, counts, 4).gradient);
      for (let j = 0; j < at.length; j++) {
        expect(hessian[i][j], `${i} ${j}`).toBeCloseTo(-(up[j] - down[j]) / (2 * step), 6);
      }
    }
  });
});
