/** @file Paired comparison of two methods on the same prompts. */

import { createRng } from '../world/random.ts';

export interface Interval {
  readonly low: number;
  readonly high: number;
}

const RESAMPLES = 10_000;

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * The 95% interval of a mean by the percentile bootstrap: 10,000 resamples with replacement, the same on every machine.
 *
 * Reference: Efron 1979, "Bootstrap methods: another look at the jackknife".
 */
export function bootstrapInterval(values: readonly number[], seed = 1): Interval {
  const rng = createRng(seed);
  const count = values.length;
  const means = Float64Array.from({ length: RESAMPLES }, () => {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += values[rng.int(count)];
    return sum / count;
  }).sort();
  return { low: means[Math.floor(0.025 * RESAMPLES)], high: means[Math.ceil(0.975 * RESAMPLES) - 1] };
}

export interface Comparison {
  /** Mean of `after - before`. */
  readonly difference: number;
  readonly interval: Interval;
  readonly wins: number;
  readonly ties: number;
  readonly losses: number;
}

/**
 * Compares values that belong together.
 *
 * @param margin differences up to this one are ties
 */
export function comparePairs(
  before: readonly number[],
  after: readonly number[],
  margin: number,
): Comparison {
  if (before.length !== after.length || before.length === 0) {
    throw new RangeError(
      `comparePairs: needs as many values before as after, got ${before.length} and ${after.length}`,
    );
  }
  const differences = after.map((value, i) => value - before[i]);
  const wins = differences.filter((d) => d > margin).length;
  const losses = differences.filter((d) => d < -margin).length;
  return {
    difference: mean(differences),
    interval: bootstrapInterval(differences),
    wins,
    ties: differences.length - wins - losses,
    losses,
  };
}
