/** @file Equivalent N: how many plain images the best of which is as good as a method's image. */
import { mean } from '../../numbers.ts';
import { normalCdf, normalDensity } from './normal.ts';

/** Steps of the integration; the integrand is smooth and vanishes at both ends. */
const STEPS = 4000;
const REACH = 12;
/** Largest N that is told apart. */
const MOST = 1e6;

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

/** sqrt of the pooled variance within groups; NaN where none has two members. */
export function withinDeviation(groups: readonly (readonly number[])[]): number {
  let [squares, freedom] = [0, 0];
  for (const group of groups) {
    const middle = mean(group);
    for (const value of group) squares += (value - middle) ** 2;
    freedom += Math.max(0, group.length - 1);
  }
  return Math.sqrt(squares / freedom);
}

/** The N with E(N) = z. */
function countFor(z: number): number {
  if (z <= 0) return 1;
  if (expectedMaximum(MOST) <= z) return Number.POSITIVE_INFINITY;
  let [low, high] = [0, Math.log(MOST)];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (expectedMaximum(Math.exp(middle)) < z) low = middle;
    else high = middle;
  }
  return Math.exp((low + high) / 2);
}
