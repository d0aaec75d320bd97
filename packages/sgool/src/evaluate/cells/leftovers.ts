/** @file Files that a process which was killed has left half-written. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EVALUATION_FILES } from './run-folder.ts';

/** As `writeFileAtomic` names them. */
const LEFTOVER = /^\..+\.\d+-[0-9a-f]+\.tmp$/;

/** Removes them. Call it while no other process writes in the folder. */
export async function removeLeftovers(folder: string): Promise<void> {
  const cells = join(folder, EVALUATION_FILES.cells);
  const parts = await readdir(cells).catch(() => []);
  for (const place of [folder, ...parts.map((name) => join(cells, name))]) {
    const names = await readdir(place).catch(() => []);
    for (const name of names.filter((one) => LEFTOVER.test(one)))
      await rm(join(place, name), { force: true });
  }
}
