/** @file The interval of a share of independent answers. */
import type { Interval } from './bootstrap.ts';
import { normalQuantile } from './normal.ts';

/**
 * The 95% interval of a share by the score test: it has a width where all answers are the same.
 *
 * Reference: Wilson 1927, "Probable inference, the law of succession, and statistical inference" (JASA 22).
 *
 * @param share from 0 to 1
 * @param count number of answers, from 1
 */
export function wilsonInterval(share: number, count: number): Interval {
  const z2 = normalQuantile(0.975) ** 2;
  const middle = share + z2 / (2 * count);
  const half = Math.sqrt(z2 * ((share * (1 - share)) / count + z2 / (4 * count ** 2)));
  const scale = 1 + z2 / count;
  return { low: Math.max(0, (middle - half) / scale), high: Math.min(1, (middle + half) / scale) };
}
