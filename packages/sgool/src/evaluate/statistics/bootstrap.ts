/** @file Bootstrap intervals: for values, and for values in groups (prompts) whose members (seeds) are drawn as well. */
import { mulberry32 } from '../mulberry32.ts';

/** The ends of a 95% interval. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Resamples of an interval. */
export const RESAMPLES = 10_000;

/** The 2.5% and the 97.5% points of resampled values. */
export function percentileInterval(values: Float64Array): Interval {
  const sorted = values.toSorted();
  const count = sorted.length;
  return { low: sorted[Math.floor(0.025 * count)], high: sorted[Math.ceil(0.975 * count) - 1] };
}

/**
 * The 95% interval of a mean by the percentile bootstrap: 10,000 resamples with replacement, the same on every machine.
 *
 * Reference: Efron 1979, "Bootstrap methods: another look at the jackknife".
 */
export function bootstrapInterval(values: readonly number[], seed = 1): Interval {
  const uniform = mulberry32(seed);
  const count = values.length;
  return percentileInterval(
    Float64Array.from({ length: RESAMPLES }, () => {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += values[Math.floor(uniform() * count)];
      return sum / count;
    }),
  );
}

/**
 * The 95% interval of the mean over groups of their means: groups are drawn with replacement, and within each drawn group its
 * members. So both the choice of prompts and the choice of seeds widen it.
 *
 * Reference: Davison and Hinkley 1997, "Bootstrap Methods and their Application", section 3.8.
 *
 * @param groups values of each prompt, one per seed; none is empty
 */
export function groupedInterval(groups: readonly (readonly number[])[], seed = 1): Interval {
  const uniform = mulberry32(seed);
  return percentileInterval(
    Float64Array.from({ length: RESAMPLES }, () => {
      let sum = 0;
      for (let i = 0; i < groups.length; i++) {
        const group = groups[Math.floor(uniform() * groups.length)];
        let inner = 0;
        for (let j = 0; j < group.length; j++) inner += group[Math.floor(uniform() * group.length)];
        sum += inner / group.length;
      }
      return sum / groups.length;
    }),
  );
}
