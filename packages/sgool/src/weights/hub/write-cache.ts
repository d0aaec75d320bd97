/** @file Writing into the Hub's cache; its layout is described in `cache.ts`. Node only. */

import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { replaceByLink, writeFileAtomic } from '../sources/atomic-file.ts';
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
  await replaceByLink(path, blob);
}
