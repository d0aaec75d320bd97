/** @file Seeds as users give them. */

import { UserError } from '../errors.ts';

/**
 * The seed to use: the given one, or for -1 (or none) a random one below 2^32, which the caller reports.
 *
 * @throws UserError when it is neither -1 nor a whole number from 0 to 2^53 - 1
 */
export function resolveSeed(seed = -1): number {
  if (seed === -1) return globalThis.crypto.getRandomValues(new Uint32Array(1))[0];
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new UserError(`seed: must be -1 (random) or a whole number from 0 to 2^53 - 1, got ${seed}`);
  }
  return seed;
}
