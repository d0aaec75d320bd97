/** @file Writing files so that they appear whole or not at all. Node only. */

import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { UserError } from '../../errors.ts';
import { fileSystemReason } from '../../platform/file-errors.ts';

/**
 * Writes a file under a temporary name in the same folder, flushes it to the disk, and renames it, so that `path`
 * holds either its old content or all of the new one. On failure the temporary file is removed.
 *
 * @param write receives the open temporary file
 * @param flushed whether it is flushed to the disk. Without it the file survives the end of the process, but maybe not that of the
 *   machine
 * @throws UserError when the disk is full, the folder is missing or not writable, and the like
 */
export async function replaceFile(
  path: string,
  write: (file: FileHandle) => Promise<void>,
  flushed = true,
): Promise<void> {
  const temporary = join(
    dirname(path),
    `.${basename(path)}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`,
  );
  try {
    const file = await open(temporary, 'wx');
    try {
      await write(file);
      if (flushed) await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined); // the first error is the one to report
    const reason = fileSystemReason(error);
    if (reason === undefined) throw error;
    throw new UserError(`cannot write ${path}: ${reason}`, { cause: error });
  }
}

/**
 * Writes `data` to `path` so that no reader finds it half-written. See `replaceFile`.
 *
 * @throws UserError when the file system refuses
 */
export async function writeFileAtomic(path: string, data: Uint8Array | string): Promise<void> {
  await replaceFile(path, (file) => file.writeFile(data));
}
