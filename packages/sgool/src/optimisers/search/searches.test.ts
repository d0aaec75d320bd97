import { describe, expect, it } from 'vitest';
import { dot, mean, sum } from '../../numbers.ts';
import { Generator } from '../../random/generator.ts';
import { norm } from '../sphere.ts';
import { descendants, particleWeights } from './resampling.ts';
import type { NoiseSearch, SearchRandom } from './search.ts';
import { proposalIn, trustRegionSearch } from './trust-region-search.ts';
import { zeroOrderSearch } from './zero-order.ts';

const size = 256;
const drawn = (seed: number): SearchRandom & { noise: () => Float64Array } => {
  const generator = new Generator(seed);
  return {
    normal: (count) => generator.randn([count]),
    uniform: (count) => generator.rand([count]),
    noise: () => Float64Array.from(generator.randn([size])),
  };
};
const start = drawn(1).noise();
const goal = drawn(2).noise();
const cosine = (a: Float64Array, b: Float64Array) => dot(a, b) / (norm(a) * norm(b));
const scoreOf = (noise: Float64Array) => cosine(noise, goal);

/** The loop of search-noise.ts. Returns the score of each noise that was tried. */
function searched(search: NoiseSearch, rounds: number, score = scoreOf) {
  const tried = [start];
  search.tell(start, score(start));
  for (let i = 1; i <= rounds; i++) {
    const { noise } = search.propose(i, i / rounds);
    search.tell(noise, score(noise));
    tried.push(noise);
  }
  return tried;
}

describe('zero-order search', () => {
  const create = () => zeroOrderSearch({ neighbours: 4, similarity: 0.95 }, drawn(3));

  it('tries noises at one angle around its centre, of the same length', () => {
    const tried = searched(create(), 4);
    for (const noise of tried.slice(1)) {
      expect(cosine(noise, start)).toBeCloseTo(0.95, 12);
      expect(norm(noise)).toBeCloseTo(norm(start), 9);
    }
    // At right angles to the centre they are independent.
    expect(Math.abs(cosine(tried[1], tried[2]) - 0.95 ** 2)).toBeLessThan(0.05);
  });

  it('moves to the best of a round, and stays where none was better', () => {
    const values = [5, 1, 7, 2, 6, 0, 0, 0, 0];
    let at = 0;
    const tried = searched(create(), 12, () => values[at++] ?? 0);
    for (const i of [5, 6, 7, 8]) expect(cosine(tried[i], tried[2])).toBeCloseTo(0.95, 12);
    // 7 is still the best: the third round is around it, too, with noises of its own.
    for (const i of [9, 10, 11, 12]) expect(cosine(tried[i], tried[2])).toBeCloseTo(0.95, 12);
    expect(tried[9]).not.toEqual(tried[5]);
  });

  it('gets better', () => {
    const tried = searched(create(), 160);
    expect(Math.max(...tried.map(scoreOf))).toBeGreaterThan(scoreOf(start) + 0.2);
  });
});

describe('trust-region search', () => {
  const settings = { centres: 2, boxSide: 0.8, warmUp: 0.25 };

  it('tries fresh noise first, then noises near the best', () => {
    const random = drawn(4);
    const fresh = drawn(4);
    const tried = searched(trustRegionSearch(settings, random), 8);
    expect(tried[1]).toEqual(fresh.noise());
    const best = [tried[0], tried[1]].sort((a, b) => scoreOf(b) - scoreOf(a));
    expect(cosine(tried[2], best[0])).toBeGreaterThan(0.95);
    expect(cosine(tried[3], best[1])).toBeGreaterThan(0.95);
    for (const noise of tried.slice(2))
      expect([norm(start), norm(tried[1])].some((length) => Math.abs(length - norm(noise)) < 1e-9)).toBe(
        true,
      );
  });

  it('draws a share of the elements anew within the box, and keeps the norm', () => {
    const { uniform } = drawn(5);
    const shares: number[] = [];
    for (let i = 0; i < 200; i++) {
      const proposed = proposalIn(start, 1, uniform);
      expect(norm(proposed)).toBeCloseTo(norm(start), 9);
      const scale = mean(
        proposed
          .map((value, k) => value / start[k])
          .sort()
          .subarray(110, 140),
      );
      const moved = proposed.map((value, k) => value / scale - start[k]);
      expect(Math.max(...moved.map(Math.abs))).toBeLessThan(0.62);
      const changed = moved.filter((value) => Math.abs(value) > 0.03).length / size;
      shares.push(changed);
    }
    expect(Math.min(...shares)).toBeLessThan(0.2);
    expect(Math.max(...shares)).toBeGreaterThan(0.75);
    expect(mean(shares)).toBeGreaterThan(0.4);
  });

  it('lets a box grow by half after three better proposals, and shrink after three worse ones, within limits', () => {
    const one = { ...settings, centres: 1, warmUp: 0 };
    const sides = (better: boolean, rounds: number) => {
      const search = trustRegionSearch(one, drawn(6));
      let score = 0;
      searched(search, rounds, () => (score += better ? 1 : -1));
      return (search.state() as { boxes: { side: number }[] }).boxes[0].side;
    };
    expect(sides(true, 2)).toBe(0.8);
    expect(sides(true, 3)).toBeCloseTo(1.2);
    expect(sides(true, 60)).toBe(2.4);
    expect(sides(false, 3)).toBeCloseTo(0.8 / 1.5);
    expect(sides(false, 60)).toBe(0.05);
    // A better one between two worse ones begins the count anew.
    const mixed = trustRegionSearch(one, drawn(6));
    const scores = [0, -1, -1, 1, 0, 0];
    let at = 0;
    searched(mixed, 5, () => scores[at++]);
    expect(mixed.state()).toMatchObject({ boxes: [{ side: 0.8, wins: 0, losses: 2 }] });
  });

  it('takes the best noises so far as centres of the next round', () => {
    const search = trustRegionSearch({ ...settings, warmUp: 0 }, drawn(7));
    const scores = [1, 5, 3, 4, 0];
    let at = 0;
    const tried = searched(search, 4, () => scores[at++]);
    // Rounds: around 0; then around 1 and 0; then around 1 and 3, which was proposed second.
    expect(cosine(tried[2], tried[1])).toBeGreaterThan(0.97);
    expect(search.state()).toMatchObject({ best: [{ score: 5 }, { score: 4 }], at: 1 });
    expect((search.state() as { round: { score: number }[] }).round.map(({ score }) => score)).toEqual([
      5, 4,
    ]);
  });

  it('gets better', () => {
    const tried = searched(trustRegionSearch({ ...settings, centres: 4 }, drawn(8)), 80);
    expect(Math.max(...tried.map(scoreOf))).toBeGreaterThan(scoreOf(start) + 0.2);
  });
});

describe('resampling', () => {
  it.each([
    [
      [0.1, 0.2, 0.3, 0.4],
      [0.3, 0.6, 0.9],
      [0, 1, 2, 1],
    ],
    [
      [0.1, 0.2, 0.3, 0.4],
      [0.9, 0.1, 0.5],
      [1, 0, 1, 2],
    ],
    [
      [0.05, 0.05, 0.6, 0.3],
      [0.2, 0.8, 0.4],
      [0, 1, 2, 1],
    ],
    [
      [0.25, 0.25, 0.25, 0.25],
      [0.3, 0.6, 0.9],
      [1, 1, 1, 1],
    ],
  ])('SSP gives %j with %j the descendants %j', (weights, uniform, expected) => {
    expect(descendants(weights, uniform)).toEqual(expected);
  });

  it('SSP rounds the expected number down or up, without bias, and keeps their sum', () => {
    const { uniform } = drawn(9);
    const weights = [0.1, 0.2, 0.3, 0.4];
    const counts = weights.map(() => 0);
    const squares = weights.map(() => 0);
    const rounds = 4000;
    for (let i = 0; i < rounds; i++) {
      const found = descendants(weights, uniform(3));
      if (sum(found) !== 4) expect(found).toBe('four in all');
      found.forEach((count, k) => {
        if (Math.abs(count - 4 * weights[k]) >= 1) expect(found).toBe('rounded down or up');
        counts[k] += count / rounds;
        squares[k] += count ** 2 / rounds;
      });
    }
    weights.forEach((weight, k) => {
      expect(counts[k]).toBeCloseTo(4 * weight, 1);
    });
    [0.24, 0.16, 0.16, 0.24].forEach((variance, k) => {
      expect(squares[k] - counts[k] ** 2).toBeCloseTo(variance, 1);
    });
  });

  it('SSP keeps each of many equal particles, whatever their number, and one alone', () => {
    const { uniform } = drawn(10);
    for (const count of [1, 2, 3, 7, 49, 100]) {
      const weights = particleWeights(Array(count).fill(3), 5);
      expect(descendants(weights, uniform(count - 1))).toEqual(Array(count).fill(1));
    }
  });

  it('weighs particles by their scores in standard deviations', () => {
    const [a, b] = particleWeights([10, 14], 1.5);
    // One deviation, 2, below and above the mean.
    expect(b / a).toBeCloseTo(Math.exp(3), 9);
    expect(a + b).toBeCloseTo(1, 12);
    expect(particleWeights([1e4, 1e4 + 4e3, 1e4 + 2e3], 2)).toEqual(
      particleWeights([0, 4, 2], 2).map((weight) => expect.closeTo(weight, 9)),
    );
    expect(particleWeights([1, 2, 3], 0)).toEqual([1, 1, 1].map((weight) => expect.closeTo(weight / 3, 12)));
    expect(particleWeights([0, 1], 1e3)).toEqual([0, 1]);
  });
});
