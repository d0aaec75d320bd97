/** @file Groups, and seeded order. */
import { createHash } from 'node:crypto';
import { mulberry32 } from '../mulberry32.ts';

/** A stream of numbers in [0, 1) that a text decides. */
export function uniformFrom(text: string): () => number {
  return mulberry32(createHash('sha256').update(text).digest().readUIntBE(0, 6));
}

/** The values by their keys, both in the order in which they come. */
export function groupsBy<T>(values: Iterable<T>, keyOf: (value: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const key = keyOf(value);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
}
