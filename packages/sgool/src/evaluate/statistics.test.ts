import { describe, expect, it } from 'vitest';
import { mean } from '../numbers.ts';
import { bootstrapInterval, comparePairs, median, standardDeviation } from './statistics.ts';

describe('averages', () => {
  it('are the mean, the middle and the spread', () => {
    expect(mean([1, 2, 6])).toBe(3);
    expect([median([3, 1, 9]), median([4, 1, 2, 100])]).toEqual([3, 3]);
    expect(() => median([])).toThrow('needs at least one value');
    expect(standardDeviation([1, 3, 1, 3])).toBe(1);
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
    expect(high - low).toBeCloseTo((2 * 1.96 * standardDeviation(values)) / 10, 2);
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
