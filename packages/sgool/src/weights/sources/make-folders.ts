/** @file Making folders. Node only. */
import { existsSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a folder and those above it. Not `mkdir` with `recursive`, which never ends where a file system says that the folder above,
 * which is there, does not exist (/proc).
 *
 * @returns the first folder that was made; undefined if it was there
 */
export async function makeFolders(dir: string): Promise<string | undefined> {
  const missing: string[] = [];
  for (let folder = dir; !existsSync(folder); folder = dirname(folder)) {
    missing.unshift(folder);
    if (dirname(folder) === folder) break;
  }
  if (missing.length === 0) {
    if (statSync(dir).isDirectory()) return undefined;
    throw Object.assign(new Error(`EEXIST: ${dir}`), { code: 'EEXIST', path: dir });
  }
  let first: string | undefined;
  for (const folder of missing) {
    try {
      await mkdir(folder);
      first ??= folder;
    } catch (error) {
      // Another run has made it in between.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !existsSync(folder)) throw error;
    }
  }
  return first;
}
