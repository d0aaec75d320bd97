/** @file The Wilcoxon signed-rank test. */
import { sum } from '../../numbers.ts';
import { normalTail } from './normal.ts';

/** Up to this many differences the distribution is counted out, as SciPy does: fewer where some are equal or zero. */
const EXACT_COUNT = { distinct: 50, tied: 13 };

export interface SignedRank {
  /** Sum of the ranks of positive differences. */
  readonly positive: number;
  readonly negative: number;
  /** Differences that are not zero. */
  readonly count: number;
  /** Two-sided; 1 where there is no difference at all. */
  readonly p: number;
  /** Matched-pairs rank-biserial correlation: (positive - negative) / (positive + negative), an effect size in [-1, 1]. */
  readonly effect: number;
}

/**
 * Whether differences are as often and as far above zero as below. Zeros are left out (Wilcoxon's way); equal sizes share their
 * mean rank. Exact for up to 50 differences, 13 with ties or zeros, else by the normal distribution with the correction for ties,
 * without a correction for continuity: as `scipy.stats.wilcoxon` with its defaults.
 *
 * Reference: Wilcoxon 1945, "Individual comparisons by ranking methods"; Kerby 2014 for the effect size.
 */
export function signedRankTest(differences: readonly number[]): SignedRank {
  const moved = differences.filter((d) => d !== 0);
  const count = moved.length;
  if (count === 0) return { positive: 0, negative: 0, count, p: 1, effect: 0 };
  const { ranks, ties } = rank(moved.map(Math.abs));
  const positive = sum(ranks.filter((_, i) => moved[i] > 0));
  const total = (count * (count + 1)) / 2;
  const negative = total - positive;
  const isDistinct = ties.length === 0 && count === differences.length;
  const isExact = differences.length <= (isDistinct ? EXACT_COUNT.distinct : EXACT_COUNT.tied);
  const p = isExact ? exactP(Math.min(positive, negative), ranks) : normalP(positive, count, ties);
  return { positive, negative, count, p, effect: (positive - negative) / total };
}

/** Ranks from 1, equal values share their mean rank; sizes of the groups of equal values. */
function rank(values: readonly number[]): { ranks: number[]; ties: number[] } {
  const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
  const ranks: number[] = new Array(values.length).fill(0);
  const ties: number[] = [];
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && values[order[end]] === values[order[start]]) end++;
    for (let i = start; i < end; i++) ranks[order[i]] = (start + 1 + end) / 2;
    if (end - start > 1) ties.push(end - start);
    start = end;
  }
  return { ranks, ties };
}

/** Twice the chance that the smaller rank sum is at most `smaller`, every sign being as likely as the other. */
function exactP(smaller: number, ranks: readonly number[]): number {
  // ways[s]: number of subsets of the doubled ranks with the sum s; shared ranks may end in a half.
  const doubled = ranks.map((rank) => 2 * rank);
  const ways = new Float64Array(sum(doubled) + 1);
  ways[0] = 1;
  for (const step of doubled) {
    for (let s = ways.length - 1; s >= step; s--) ways[s] += ways[s - step];
  }
  return Math.min(1, (2 * sum(ways.subarray(0, 2 * smaller + 1))) / 2 ** ranks.length);
}

function normalP(positive: number, count: number, ties: readonly number[]): number {
  const mean = (count * (count + 1)) / 4;
  const tied = sum(ties.map((t) => t ** 3 - t));
  const variance = (count * (count + 1) * (2 * count + 1)) / 24 - tied / 48;
  return Math.min(1, 2 * normalTail(Math.abs(positive - mean) / Math.sqrt(variance)));
}

/**
 * Holm's correction for several tests: the adjusted p-values, in the order of the given ones.
 *
 * Reference: Holm 1979, "A simple sequentially rejective multiple test procedure".
 */
export function holm(p: readonly number[]): number[] {
  const order = p.map((_, i) => i).sort((a, b) => p[a] - p[b]);
  const adjusted: number[] = new Array(p.length).fill(0);
  let most = 0;
  order.forEach((index, i) => {
    most = Math.max(most, Math.min(1, (p.length - i) * p[index]));
    adjusted[index] = most;
  });
  return adjusted;
}
