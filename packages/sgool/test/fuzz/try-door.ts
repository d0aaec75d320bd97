/** @file One case of the fuzzing: a file is damaged, and a door tries to read it. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UserError } from '../../src/errors.ts';
import { type Door, type Seed, textOf } from './door.ts';
import type { Mutator } from './mutator.ts';

/** Damages a seed as its door says; `mixed` looks at the name. */
export function damaged(door: Door, seed: Seed, mutator: Mutator): Uint8Array {
  const isJson = door.kind === 'json' || (door.kind === 'mixed' && seed.name.endsWith('.json'));
  if (isJson) return mutator.damageJson(seed.bytes);
  if (door.kind === 'text') return new Uint8Array(Buffer.from(mutator.damageText(textOf(seed.bytes))));
  return mutator.damage(seed.bytes);
}

/**
 * Puts a damaged file where its door expects it, and opens it.
 *
 * @param folder a folder of its own, which may hold the files of an earlier case of the same seed
 * @returns what is wrong with how it ended, or undefined where it was read or refused in one line
 */
export async function tryDoor(
  door: Door,
  seed: Seed,
  bytes: Uint8Array,
  folder: string,
): Promise<string | undefined> {
  const path = join(folder, seed.name);
  for (const [name, content] of Object.entries({ ...seed.beside, [seed.name]: bytes })) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  try {
    await door.open(path, seed, bytes);
    return undefined;
  } catch (error) {
    if (!(error instanceof Error)) return `it threw ${String(error)}`;
    const isRefusal = error instanceof UserError || door.says?.test(error.message);
    if (!isRefusal) return `unexpected ${error.stack ?? error.message}`;
    if (/[\n\r]/.test(error.message)) return `a message of several lines: ${error.message}`;
    if (error.message.length > 1000)
      return `a message of ${error.message.length} characters: ${error.message.slice(0, 300)}`;
    return undefined;
  }
}
