/** @file Equivalent N: how many plain images the best of which is as good as a method's image. */
import { mean, sum } from '../../numbers.ts';
import { mulberry32 } from '../mulberry32.ts';
import { type Interval, percentileInterval, RESAMPLES } from './bootstrap.ts';
import { normalCdf, normalDensity } from './normal.ts';

/** Steps of the integration; the integrand is smooth and vanishes at both ends. */
const STEPS = 600;
const REACH = 12;
/** Largest N that is told apart. */
export const MOST_N = 1e6;

/**
 * E(N), the expected maximum of N independent standard normal variables: the integral of x · N φ(x) Φ(x)^(N-1). N may be any
 * number from 1: 0 for 1, 0.564 for 2, 1.766 for 16.
 */
export function expectedMaximum(n: number): number {
  const width = (2 * REACH) / STEPS;
  let total = 0;
  for (let i = 1; i < STEPS; i++) {
    const x = -REACH + i * width;
    total += x * n * normalDensity(x) * normalCdf(x) ** (n - 1);
  }
  return total * width;
}

export interface EquivalentN {
  /** Mean of the plain images over prompts. */
  readonly mean: number;
  /** Deviation of the plain images of one prompt, over all prompts. */
  readonly deviation: number;
  /** 1 where the method is no better than a single plain image; infinity from 1,000,000 on. */
  readonly n: number;
}

/**
 * The N whose best-of-N, chosen by the score itself, has the method's mean score: mean + deviation · E(N), if the scores of the
 * plain images of a prompt are about normal. N over the method's cost, in plain images, says what the method is worth: above 1 it
 * does what search would do for more.
 *
 * @param plain scores of each prompt's plain images; prompts with one image say nothing of the deviation
 * @param score the method's mean score
 * @returns undefined where no prompt has two plain images, or these do not differ
 */
export function equivalentN(plain: readonly (readonly number[])[], score: number): EquivalentN | undefined {
  const deviation = withinDeviation(plain);
  if (!(deviation > 0)) return undefined;
  const middle = mean(plain.map(mean));
  return { mean: middle, deviation, n: countFor((score - middle) / deviation) };
}

/**
 * The 95% interval of equivalent N by the bootstrap: prompts are drawn with replacement, and for the means within each drawn prompt
 * its seeds. The deviation within a prompt is that of all its seeds, since a drawn group that repeats one would understate it.
 *
 * @param prompts pairs `[plain, method]` of each prompt, one per seed
 * @returns ends from 1 to 1,000,000; undefined where plain images do not differ within any prompt
 */
export function equivalentNInterval(
  prompts: readonly (readonly (readonly [plain: number, method: number])[])[],
  seed = 1,
): Interval | undefined {
  const spreads = prompts.map((pairs) => within(pairs.map(([plain]) => plain)));
  const uniform = mulberry32(seed);
  const gains: number[] = [];
  for (let resample = 0; resample < RESAMPLES; resample++) {
    let [squares, freedom, gain] = [0, 0, 0];
    for (let i = 0; i < prompts.length; i++) {
      const drawn = Math.floor(uniform() * prompts.length);
      const pairs = prompts[drawn];
      squares += spreads[drawn].squares;
      freedom += spreads[drawn].freedom;
      let inner = 0;
      for (let j = 0; j < pairs.length; j++) {
        const [plain, method] = pairs[Math.floor(uniform() * pairs.length)];
        inner += method - plain;
      }
      gain += inner / pairs.length;
    }
    if (squares > 0) gains.push(gain / prompts.length / Math.sqrt(squares / freedom));
  }
  if (gains.length === 0) return undefined;
  // N rises with the gain, so that only the ends need be turned into it.
  const { low, high } = percentileInterval(Float64Array.from(gains));
  return { low: Math.min(countFor(low), MOST_N), high: Math.min(countFor(high), MOST_N) };
}

/** Squared deviations from the mean of a group, and how many of them are free. */
function within(group: readonly number[]): { squares: number; freedom: number } {
  const middle = mean(group);
  return {
    squares: sum(group.map((value) => (value - middle) ** 2)),
    freedom: Math.max(0, group.length - 1),
  };
}

/** sqrt of the pooled variance within groups; NaN where none has two members. */
export function withinDeviation(groups: readonly (readonly number[])[]): number {
  const spreads = groups.map(within);
  return Math.sqrt(sum(spreads.map(({ squares }) => squares)) / sum(spreads.map(({ freedom }) => freedom)));
}

/** The N with E(N) = z. */
function countFor(z: number): number {
  if (z <= 0) return 1;
  if (expectedMaximum(MOST_N) <= z) return Number.POSITIVE_INFINITY;
  let [low, high] = [0, Math.log(MOST_N)];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (expectedMaximum(Math.exp(middle)) < z) low = middle;
    else high = middle;
  }
  return Math.exp((low + high) / 2);
}
