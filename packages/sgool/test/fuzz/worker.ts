/** @file A process of the fuzzing: tries the cases that `main.ts` sends, one after another, and says how much memory they took. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Seed } from './door.ts';
import { DOORS } from './doors.ts';
import { tryDoor } from './try-door.ts';

/** A case that `main.ts` has written to a file. */
export interface Case {
  readonly door: string;
  readonly seed: string;
  /** The damaged bytes. */
  readonly file: string;
}

export interface Outcome {
  readonly problem?: string;
  /** The most that this process has held so far, in bytes. */
  readonly peak: number;
}

const folder = await mkdtemp(join(tmpdir(), 'sgool-fuzz-'));
const seeds = new Map<string, Seed>();
for (const [name, door] of Object.entries(DOORS)) {
  for (const [i, seed] of (await door.seeds()).entries()) seeds.set(`${name} ${i}`, seed);
}
let count = 0;

process.on('message', async ({ door, seed: key, file }: Case) => {
  const seed = seeds.get(`${door} ${key}`);
  if (seed === undefined) throw new Error(`no seed ${key} of ${door}`);
  // Some seeds have files beside them that must not meet those of others.
  const own = join(folder, String(count++));
  const problem = await tryDoor(DOORS[door], seed, await readFile(file), own);
  await rm(own, { recursive: true, force: true });
  process.send?.({ problem, peak: 1024 * process.resourceUsage().maxRSS } satisfies Outcome);
});
process.on('disconnect', async () => {
  await rm(folder, { recursive: true, force: true });
  process.exit();
});
// What a reader leaves behind and fails later is a fault of that reader.
process.on('unhandledRejection', (error) => {
  throw error;
});
process.send?.({ peak: 1024 * process.resourceUsage().maxRSS } satisfies Outcome);
