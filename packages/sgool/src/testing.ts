/** @file A helper of all tests. */

/** The value, which must be there. @throws Error where it is not */
export function defined<T>(value: T | null | undefined): T {
  if (value === undefined || value === null) throw new Error('the value is missing');
  return value;
}
