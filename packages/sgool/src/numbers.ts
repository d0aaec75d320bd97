/** @file Sums and roundings that the library shares. */

/** Rounds halves to even, as NumPy and Python's `round` do, so that what is computed from it agrees with theirs. */
export function roundHalfToEven(value: number): number {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** Sum of all values, in their order. */
export function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** Mean of all values; not a number for none. */
export const mean = (values: ArrayLike<number> & Iterable<number>): number => sum(values) / values.length;

/** Product of all values, in their order; the number of elements of a shape. */
export function product(values: Iterable<number>): number {
  let total = 1;
  for (const value of values) total *= value;
  return total;
}

/** Dot product of two vectors of one length. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i] * b[i];
  return total;
}
