/** @file Correlation of two scores within groups. */
import { mean, sum } from '../../numbers.ts';
import { mulberry32 } from '../mulberry32.ts';
import { type Interval, percentileInterval, RESAMPLES } from './bootstrap.ts';

type Pair = readonly [x: number, y: number];

export interface WithinCorrelation {
  /** From -1 to 1. */
  readonly r: number;
  /** 95%, groups resampled; undefined for fewer than two. */
  readonly interval: Interval | undefined;
  /** Groups with two or more pairs, and the pairs in them. */
  readonly groups: number;
  readonly pairs: number;
}

/**
 * Pearson's correlation of what is left of two scores when each group's means are taken away: whether they agree about the members
 * of a group (the images of a prompt), not about which groups are hard.
 *
 * Reference: Bland and Altman 1995, "Calculating correlation coefficients with repeated observations: part 1" (BMJ 310), which takes
 * the sums of squares within subjects.
 *
 * @param groups pairs `[x, y]`
 * @returns undefined where x or y does not differ within any group
 */
export function withinCorrelation(
  groups: readonly (readonly Pair[])[],
  seed = 1,
): WithinCorrelation | undefined {
  const several = groups.filter((group) => group.length > 1);
  const sums = several.map(sumsOf);
  const r = correlation(sums);
  if (r === undefined) return undefined;
  const uniform = mulberry32(seed);
  const resampled = Array.from({ length: RESAMPLES }, () =>
    correlation(sums.map(() => sums[Math.floor(uniform() * sums.length)])),
  ).filter((value) => value !== undefined);
  return {
    r,
    interval: several.length < 2 ? undefined : percentileInterval(Float64Array.from(resampled)),
    groups: several.length,
    pairs: several.flat().length,
  };
}

/** Pearson's correlation of pairs `[x, y]`; undefined where x or y does not differ. */
export const pearson = (pairs: readonly Pair[]): number | undefined => correlation([sumsOf(pairs)]);

/** Sums of squares and products about the means. */
interface Sums {
  readonly xx: number;
  readonly yy: number;
  readonly xy: number;
}

function sumsOf(pairs: readonly Pair[]): Sums {
  const [middleX, middleY] = [mean(pairs.map(([x]) => x)), mean(pairs.map(([, y]) => y))];
  return {
    xx: sum(pairs.map(([x]) => (x - middleX) ** 2)),
    yy: sum(pairs.map(([, y]) => (y - middleY) ** 2)),
    xy: sum(pairs.map(([x, y]) => (x - middleX) * (y - middleY))),
  };
}

function correlation(sums: readonly Sums[]): number | undefined {
  let [xx, yy, xy] = [0, 0, 0];
  for (const one of sums) {
    xx += one.xx;
    yy += one.yy;
    xy += one.xy;
  }
  return xx > 0 && yy > 0 ? xy / Math.sqrt(xx * yy) : undefined;
}
