/** A short part of `npm run fuzz`, the same in every run, and every file that was once a finding. */
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DOORS } from './doors.ts';
import { Mutator } from './mutator.ts';
import { damaged, tryDoor } from './try-door.ts';

const CASES = 100;
const CORPUS = join(import.meta.dirname, 'corpus');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sgool-fuzz-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe.each(Object.entries(DOORS))('%s', (name, door) => {
  it('reads the files that are right', async () => {
    for (const [i, seed] of (await door.seeds()).entries()) {
      const path = join(folder, name, `right-${i}`);
      // A drawing, and configurations of which a part is missing, are refused, but in one line.
      expect(await tryDoor(door, seed, seed.bytes, path), seed.name).toBeUndefined();
    }
  });

  it(`reads or refuses ${CASES} damaged files`, async () => {
    const seeds = await door.seeds();
    const mutator = new Mutator(1);
    for (let i = 0; i < CASES; i++) {
      const seed = seeds[i % seeds.length];
      const path = join(folder, name, String(i % seeds.length));
      const problem = await tryDoor(door, seed, damaged(door, seed, mutator), path);
      expect(problem, `case ${i}, ${seed.name}`).toBeUndefined();
    }
  });

  const kept = join(CORPUS, name.replaceAll(' ', '-'));
  const files = existsSync(kept) ? readdirSync(kept) : [];
  it.skipIf(files.length === 0)('reads or refuses what was once a finding', async () => {
    const seeds = await door.seeds();
    for (const file of files) {
      // <number of the seed>-<what was wrong>
      const seed = seeds[Number(file.split('-')[0])];
      const problem = await tryDoor(door, seed, await readFile(join(kept, file)), join(folder, name, file));
      expect(problem, file).toBeUndefined();
    }
  });
});

it('damages in the same way for the same seed, and in another for another', async () => {
  const [seed] = await DOORS.safetensors.seeds();
  const draw = (number: number) => Buffer.from(new Mutator(number).damage(seed.bytes)).toString('hex');
  expect(draw(1)).toBe(draw(1));
  expect(draw(1)).not.toBe(draw(2));
});
