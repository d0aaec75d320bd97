/** @file Writing into the Hub's cache; its layout is described in `cache.ts`. Node only. */

import { copyFile, link, rename, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { writeFileAtomic } from '../sources/atomic-file.ts';
import { makeFolders } from '../sources/make-folders.ts';

/** Records which commit a branch or tag pointed to. */
export async function writeRef(model: string, name: string, commit: string): Promise<void> {
  const path = join(model, 'refs', name);
  await makeFolders(dirname(path));
  await writeFileAtomic(path, commit);
}

/** Adds a blob to a snapshot under its name on the Hub: a relative link, or a copy where links are not allowed. */
export async function linkIntoSnapshot(blob: string, path: string, size: number): Promise<void> {
  if ((await stat(path).catch(() => undefined))?.size === size) return;
  await makeFolders(dirname(path));
  // Made under another name and renamed, so that two pulls at the same time do not disturb each other.
  const temporary = `${path}.${process.pid}-${Math.random().toString(36).slice(2)}.tmp`;
  await symlink(relative(dirname(path), blob), temporary)
    .catch(() => link(blob, temporary))
    .catch(() => copyFile(blob, temporary));
  await rename(temporary, path).catch(async (error) => {
    await rm(temporary, { force: true });
    throw error;
  });
}
