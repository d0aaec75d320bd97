/** @file The paired comparison of two methods: same prompts, same seeds. */
import { mean } from '../../numbers.ts';
import { bootstrapInterval, groupedInterval, type Interval } from './bootstrap.ts';
import { normalQuantile } from './normal.ts';
import { type SignedRank, signedRankTest } from './wilcoxon.ts';

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
  return {
    difference: mean(differences),
    interval: bootstrapInterval(differences),
    ...countWins(differences, margin),
  };
}

function countWins(differences: readonly number[], margin: number) {
  const wins = differences.filter((d) => d > margin).length;
  const losses = differences.filter((d) => d < -margin).length;
  return { wins, ties: differences.length - wins - losses, losses };
}

/** The comparison of two methods on prompts that have several seeds. */
export interface GroupedComparison extends Comparison {
  /** Prompts and pairs that were compared. */
  readonly prompts: number;
  readonly pairs: number;
  /** Of the prompts' mean differences: a prompt with many seeds counts once. */
  readonly test: SignedRank;
  /** Mean over standard deviation of the prompts' mean differences (Cohen's d for pairs); NaN for a single prompt. */
  readonly effectSize: number;
  /** Number of prompts that would show a mean difference of this size in four of five experiments; see {@link promptsNeeded}. */
  readonly needed: number;
}

/**
 * Compares two methods pair by pair. Prompts and seeds are resampled for the interval; the test and the effect size take each
 * prompt once, so that seeds of one prompt do not count as independent.
 *
 * @param groups `after - before` of each prompt, one value per seed
 * @throws RangeError for no prompt, or a prompt without a value
 */
export function compareGroups(groups: readonly (readonly number[])[], margin: number): GroupedComparison {
  if (groups.length === 0 || groups.some((group) => group.length === 0)) {
    throw new RangeError(`compareGroups: needs a difference for every prompt, got ${groups.length} prompts`);
  }
  const byPrompt = groups.map(mean);
  const difference = mean(byPrompt);
  const deviation = sampleDeviation(byPrompt);
  return {
    difference,
    interval: groupedInterval(groups),
    ...countWins(groups.flat(), margin),
    prompts: groups.length,
    pairs: groups.flat().length,
    test: signedRankTest(byPrompt),
    effectSize: difference / deviation,
    needed: promptsNeeded(difference, deviation),
  };
}

/** The standard deviation of a sample (divided by n - 1); NaN for fewer than two values. */
export function sampleDeviation(values: readonly number[]): number {
  const middle = mean(values);
  return values.length < 2
    ? Number.NaN
    : Math.sqrt(values.reduce((total, value) => total + (value - middle) ** 2, 0) / (values.length - 1));
}

/**
 * The number of pairs with which a two-sided test at 5% finds a mean difference with a chance of 80%, if differences are about
 * normal: ((z(0.975) + z(0.8)) · deviation / difference)², and two more for the unknown deviation.
 *
 * Reference: Guenther 1981, "Sample size formulas for normal theory t tests".
 *
 * @returns infinity for no difference, NaN where the deviation is not known
 */
export function promptsNeeded(difference: number, deviation: number): number {
  const z = normalQuantile(0.975) + normalQuantile(0.8);
  return Math.ceil(((z * deviation) / difference) ** 2 + normalQuantile(0.975) ** 2 / 2);
}
