/** @file Stretches of files. Nothing is read that is not asked for, and nothing is allocated beyond the file's size. */

import { closeSync, constants, openSync, readSync } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { UserError } from '../../errors.ts';
import { fileSystemReason } from './atomic-file.ts';

/** A file that is open for reading, or bytes that stand for one. */
export interface FileBytes {
  /** As the user wrote it; for messages. */
  readonly path: string;
  /** With symbolic links, as in a Hub snapshot, resolved: ONNX Runtime refuses them. */
  readonly realPath: string;
  readonly size: number;
  /** @throws UserError when the stretch goes beyond the end of the file */
  read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** One `read` takes at most 2 GiB on Linux. */
const READ_BYTES = 2 ** 30;

function refused(path: string, error: unknown): unknown {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
    return new UserError(`cannot read ${path}: the file does not exist`, { cause: error });
  }
  const reason = fileSystemReason(error);
  return reason === undefined ? error : new UserError(`cannot read ${path}: ${reason}`, { cause: error });
}

function truncated(path: string, end: number): UserError {
  return new UserError(`${path}: the file ends at byte ${end}, it is truncated`);
}

async function readFrom(file: FileHandle, offset: number, length: number, path: string) {
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const part = bytes.subarray(done, Math.min(length, done + READ_BYTES));
    const { bytesRead } = await file.read(part, 0, part.length, offset + done);
    if (bytesRead === 0) throw truncated(path, offset + done);
    done += bytesRead;
  }
  return bytes;
}

/**
 * Opens a file, uses it, closes it.
 *
 * @throws UserError when it is missing, not a file, or not readable
 */
export async function withFile<T>(path: string, use: (file: FileBytes) => Promise<T>): Promise<T> {
  try {
    // Non-blocking, so that a named pipe is refused below and not waited for.
    const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) throw new UserError(`cannot read ${path}: it is not a file`);
      const { size } = stat;
      return await use({
        path,
        realPath: await realpath(path),
        size,
        read(offset, length) {
          // Checked before anything is allocated: lengths come from headers that nobody vouches for.
          if (offset + length > size) throw truncated(path, size);
          return readFrom(handle, offset, length, path);
        },
      });
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw refused(path, error);
  }
}

/**
 * Reads a stretch of a file at once, for the few tensors that are needed in memory while a network is traced.
 *
 * @throws UserError when the file is missing or ends before the stretch does
 */
export function readStretch(path: string, offset: number, length: number): Uint8Array<ArrayBuffer> {
  try {
    const file = openSync(path, 'r');
    try {
      const bytes = new Uint8Array(length);
      let done = 0;
      while (done < length) {
        const part = Math.min(length - done, READ_BYTES);
        const read = readSync(file, bytes, done, part, offset + done);
        if (read === 0) throw truncated(path, offset + done);
        done += read;
      }
      return bytes;
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw refused(path, error);
  }
}
