/** @file Helpers of all tests. */

/** The value, which must be there. @throws Error where it is not */
export function defined<T>(value: T | null | undefined): T {
  if (value === undefined || value === null) throw new Error('the value is missing');
  return value;
}

/**
 * Waits until a condition holds. A test that waits by itself waits for ever where something went wrong, and hides the reason.
 *
 * @param what is waited for, and what there is instead, for the error
 * @param seconds after which the wait is over; long, because machines that run tests are busy
 * @throws Error where the condition does not hold by then
 */
export async function until(
  holds: () => boolean,
  what: string | (() => string),
  seconds = 30,
): Promise<void> {
  const end = performance.now() + 1000 * seconds;
  while (!holds()) {
    if (performance.now() > end) {
      throw new Error(`waited ${seconds} s for ${typeof what === 'string' ? what : what()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
