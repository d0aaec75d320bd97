/** @file Files that appear whole or not at all. */

import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../../errors.ts';

const REASONS: Record<string, string> = {
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'the disk quota is used up',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a part of the path is a file, not a folder',
  ENOENT: 'the folder does not exist',
  EISDIR: 'a folder of that name is in the way',
  ENOTEMPTY: 'a folder of that name is in the way',
  ENAMETOOLONG: 'the name is too long',
  EFBIG: 'the file is too large for this file system',
  EMFILE: 'too many files are open',
  EIO: 'the disk reported an error',
};

/** Why the file system refused, in words, or undefined when the error is none of its own. */
export function fileSystemReason(error: unknown): string | undefined {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === undefined ? undefined : REASONS[code];
}

/**
 * Writes a file under a temporary name in the same folder, flushes it to the disk, and renames it, so that `path`
 * holds either its old content or all of the new one. On failure the temporary file is removed.
 *
 * @param write receives the open temporary file
 * @throws UserError when the disk is full, the folder is missing or not writable, and the like
 */
export async function replaceFile(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const temporary = join(
    dirname(path),
    `.${basename(path)}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`,
  );
  try {
    const file = await open(temporary, 'wx');
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined); // the first error is the one to tell
    const reason = fileSystemReason(error);
    if (reason === undefined) throw error;
    throw new UserError(`cannot write ${path}: ${reason}`, { cause: error });
  }
}

/**
 * Writes `data` to `path` so that the file is never seen half-written. See `replaceFile`.
 *
 * @throws UserError when the file system refuses
 */
export async function writeFileAtomic(path: string, data: Uint8Array | string): Promise<void> {
  await replaceFile(path, (file) => file.writeFile(data));
}
