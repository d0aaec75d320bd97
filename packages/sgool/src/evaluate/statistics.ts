/** @file Means, medians, and the paired comparison of two methods on the same prompts. */
import { mean } from '../numbers.ts';
import { mulberry32 } from './mulberry32.ts';

/** The ends of a 95% bootstrap interval. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

const RESAMPLES = 10_000;

/** The middle value, or the mean of the two middle ones. @throws RangeError for no values */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('median: needs at least one value, got none');
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The standard deviation of a whole population: sqrt(mean(x^2) - mean(x)^2). */
export function standardDeviation(values: ArrayLike<number>): number {
  let [sum, squares] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    sum += values[i];
    squares += values[i] ** 2;
  }
  return Math.sqrt(squares / values.length - (sum / values.length) ** 2);
}

/**
 * The 95% interval of a mean by the percentile bootstrap: 10,000 resamples with replacement, the same on every machine.
 *
 * Reference: Efron 1979, "Bootstrap methods: another look at the jackknife".
 */
export function bootstrapInterval(values: readonly number[], seed = 1): Interval {
  const uniform = mulberry32(seed);
  const count = values.length;
  const means = Float64Array.from({ length: RESAMPLES }, () => {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += values[Math.floor(uniform() * count)];
    return sum / count;
  }).sort();
  return { low: means[Math.floor(0.025 * RESAMPLES)], high: means[Math.ceil(0.975 * RESAMPLES) - 1] };
}

/** The paired differences of two lists of values. */
export interface Comparison {
  /** Mean of `after - before`. */
  readonly difference: number;
  /** 95% bootstrap interval of that mean. */
  readonly interval: Interval;
  /** Pairs whose value rose by more than the margin, stayed within it, or fell by more. */
  readonly wins: number;
  readonly ties: number;
  readonly losses: number;
}

/**
 * Compares two lists whose values belong together, pair by pair.
 *
 * @param margin differences up to this one are ties
 * @throws RangeError where the lists differ in length or are empty
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
