/** @file Checks of what callers ask generators for. */
import { product } from '../numbers.ts';

/** How many numbers a shape has. @throws RangeError for a size that is no whole number from 0 on */
export function countOf(shape: readonly number[]): number {
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`Generator: bad shape, got [${shape}]`);
  }
  return product(shape);
}

/** The width of a range of whole numbers. @throws RangeError when it is empty or wider than 2^53 */
export function rangeOf(low: number, high: number): number {
  const range = high - low;
  if (
    !Number.isSafeInteger(low) ||
    !Number.isSafeInteger(high) ||
    !(range > 0) ||
    !Number.isSafeInteger(range)
  ) {
    throw new RangeError(`Generator.randint: needs whole numbers low < high, got ${low} and ${high}`);
  }
  return range;
}

/** @throws RangeError where the seed is no whole number */
export function checkSeed(seed: number | bigint): void {
  if (typeof seed === 'number' && !Number.isSafeInteger(seed)) {
    throw new RangeError(`Generator: seed must be a whole number, got ${seed}`);
  }
}
