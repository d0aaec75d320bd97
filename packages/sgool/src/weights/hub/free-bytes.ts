/** @file Free space on a disk. */
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';

/** Free bytes for this user at the folder, or the nearest one above it that exists; undefined where the system does not say. */
export async function freeBytes(dir: string): Promise<number | undefined> {
  for (let path = dir; ; path = join(path, '..')) {
    try {
      const { bavail, bsize } = await statfs(path);
      return bavail * bsize;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || path === join(path, '..')) return undefined;
    }
  }
}
