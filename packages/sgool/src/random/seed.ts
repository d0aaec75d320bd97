/** @file Seeds as users give them: whole numbers of 64 bits, as torch's `manual_seed` takes them. */

import { UserError } from '../errors.ts';

/** A whole number from 0 to 2^64 - 1: a number up to 2^53 - 1, a bigint above. */
export type Seed = number | bigint;

const LIMIT = 2n ** 64n;

/** What a seed must be, for messages. */
export const SEED_RULE = 'must be -1 (random) or a whole number from 0 to 2^64 - 1';

/**
 * A seed from the forms in which people and files write one: a number, a bigint, or a text of digits, which JSON needs from
 * 2^53 on.
 *
 * @returns undefined where it is none; a number above 2^53 - 1 is none, because its last digits are lost already
 */
export function readSeed(value: unknown): Seed | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= -1 ? value : undefined;
  if (typeof value === 'bigint') return narrow(value);
  if (typeof value !== 'string') return undefined;
  const text = value.trim();
  if (/^\+?\d+$/.test(text)) return narrow(BigInt(text.replace('+', '')));
  return /^[-+]?[\d.]+(e\+?\d+)?$/i.test(text) ? readSeed(Number(text)) : undefined;
}

function narrow(value: bigint): Seed | undefined {
  if (value < -1n || value >= LIMIT) return undefined;
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/**
 * The seed to use: the given one, or for -1 (or none) a random one below 2^32, which the caller reports.
 *
 * @throws UserError when it is neither -1 nor a whole number from 0 to 2^64 - 1
 */
export function resolveSeed(seed: Seed = -1): Seed {
  if (seed === -1) return globalThis.crypto.getRandomValues(new Uint32Array(1))[0];
  const read = readSeed(seed);
  if (read === undefined) throw new UserError(`seed: ${SEED_RULE}, got ${seed}`);
  return read;
}

/** The seed that lies `count` after another one; behind 2^64 - 1 comes 0. */
export function laterSeed(seed: Seed, count: number): Seed {
  const later = (BigInt(seed) + BigInt(count)) % LIMIT;
  return later <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(later) : later;
}

/** The seed for JSON: exact, as a text where a number would not be. */
export const seedForJson = (seed: Seed): number | string => (typeof seed === 'bigint' ? String(seed) : seed);
