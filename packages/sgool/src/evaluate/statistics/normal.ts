/** @file The normal distribution. */

/**
 * P(Z <= x) of a standard normal variable, to about 15 digits.
 *
 * Reference: the error function by its series below |x| = 3, by the continued fraction of its complement above (Abramowitz and
 * Stegun 1964, 7.1.6 and 7.1.14).
 */
export function normalCdf(x: number): number {
  if (x < 0) return 1 - normalCdf(-x);
  if (x > 38) return 1;
  return x < 3 ? 0.5 + centralArea(x) : 1 - upperTail(x);
}

/** P(Z > x), exact in relative terms far out, where `1 - normalCdf(x)` has no digits left. */
export function normalTail(x: number): number {
  if (x < 0) return 1 - normalTail(-x);
  return x < 3 ? 0.5 - centralArea(x) : upperTail(x);
}

/** The density of a standard normal variable. */
export const normalDensity = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);

/** P(0 < Z < x). */
function centralArea(x: number): number {
  let term = x;
  let total = x;
  for (let k = 1; Math.abs(term) > 1e-17 * Math.abs(total); k++) {
    term *= (x * x) / (2 * k + 1);
    total += term;
  }
  return total * normalDensity(x);
}

function upperTail(x: number): number {
  let fraction = 0;
  for (let k = 60; k > 0; k--) fraction = k / (x + fraction);
  return normalDensity(x) / (x + fraction);
}

/**
 * The x with P(Z <= x) = p: by bisection, exact to the last digits.
 *
 * @throws RangeError unless 0 < p < 1
 */
export function normalQuantile(p: number): number {
  if (!(p > 0 && p < 1)) throw new RangeError(`normalQuantile: needs 0 < p < 1, got ${p}`);
  let [low, high] = [-40, 40];
  for (let i = 0; i < 200 && low < high; i++) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    // Tails are compared by the side on which they are small.
    const isBelow = middle < 0 ? normalTail(-middle) < p : normalTail(middle) > 1 - p;
    if (isBelow) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
