/** @file Numbers as people write them; sums, products, extremes and rounding, for the whole library. */

const DECIMAL = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;

/**
 * The number that a text says in decimal digits: `3`, `-0.5`, `.5`, `1e-3`.
 *
 * @returns undefined for any other text, such as `0x10`, `1,5`, `NaN` or none, and for numbers that are too large, such as `1e309`
 */
export function readDecimal(text: string): number | undefined {
  const trimmed = text.trim();
  const value = Number(trimmed);
  return DECIMAL.test(trimmed) && Number.isFinite(value) ? value : undefined;
}

/** Rounds halves to even, as NumPy and Python's `round` do, so that what is computed from it agrees with theirs. */
export function roundHalfToEven(value: number): number {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** The sum of numbers, added in order; 0 for none. */
export function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** The product of numbers, for instance the number of elements of a shape; 1 for none. */
export function product(values: Iterable<number>): number {
  let total = 1;
  for (const value of values) total *= value;
  return total;
}

/** The arithmetic mean; NaN for no numbers. */
export function mean(values: ArrayLike<number> & Iterable<number>): number {
  return sum(values) / values.length;
}

/** The standard deviation of all values there are: √(Σ (x - mean)² / n). NaN for none. */
export function populationDeviation(values: ArrayLike<number> & Iterable<number>): number {
  return Math.sqrt(squaresAround(values) / values.length);
}

/** The standard deviation that a sample lets expect: √(Σ (x - mean)² / (n - 1)). NaN for fewer than two values. */
export function sampleDeviation(values: ArrayLike<number> & Iterable<number>): number {
  return Math.sqrt(squaresAround(values) / (values.length - 1));
}

function squaresAround(values: ArrayLike<number> & Iterable<number>): number {
  const middle = mean(values);
  let total = 0;
  for (const value of values) total += (value - middle) ** 2;
  return total;
}

/** The value, or the limit that it is beyond. */
export function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

/** The least value; infinity for none, NaN where one is NaN. A loop, because spreading a large array into `Math.min` overflows the stack. */
export function minimum(values: Iterable<number>): number {
  let least = Number.POSITIVE_INFINITY;
  for (const value of values) least = Math.min(least, value);
  return least;
}

/** The greatest value; minus infinity for none, NaN where one is NaN. */
export function maximum(values: Iterable<number>): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const value of values) most = Math.max(most, value);
  return most;
}

/** The dot product of two vectors of one length. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i] * b[i];
  return total;
}
