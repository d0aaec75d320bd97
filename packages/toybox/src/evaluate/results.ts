/** @file Finished prompts as lines of JSON; a killed evaluation resumes after the last of them. */

import { appendFile, mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { MethodName } from 'sgool';
import { writeFileAtomic } from 'sgool/node';
import type { Scores } from './scoring.ts';

/** What identifies a result. */
export interface ResultKey {
  readonly prompt: string;
  readonly method: MethodName;
  readonly seed: number;
  /** Of model, judge and settings: results with another one are ignored. */
  readonly fingerprint: string;
}

/** One finished prompt of one method. */
export interface Result extends ResultKey, Scores {
  /** Path of the image, relative to the output folder. */
  readonly image: string;
}

export interface ResultStore<Item extends ResultKey = Result> {
  find(key: ResultKey): Item | undefined;
  /** Stores a result; it is on disk when the promise resolves. */
  add(result: Item): Promise<void>;
}

const keyOf = ({ prompt, method, seed, fingerprint }: ResultKey) =>
  JSON.stringify([prompt, method, seed, fingerprint]);

/** Opens `results.jsonl` in a folder, which is made if missing. A line that a kill cut off is dropped. */
export async function openResults<Item extends ResultKey = Result>(
  folder: string,
): Promise<ResultStore<Item>> {
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, 'results.jsonl');
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const lines = text.split('\n').slice(0, -1);
  const known = new Map<string, Item>();
  for (const line of lines) {
    const result = JSON.parse(line) as Item;
    known.set(keyOf(result), result);
  }
  if (text !== '' && !text.endsWith('\n')) await writeFileAtomic(file, lines.map((l) => `${l}\n`).join(''));
  return {
    find: (key) => known.get(keyOf(key)),
    async add(result) {
      await appendFile(file, `${JSON.stringify(result)}\n`);
      known.set(keyOf(result), result);
    },
  };
}
