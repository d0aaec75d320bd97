/**
 * @file Writing files and folders so that they appear whole or not at all. Everything that sgool writes goes through here, except
 * downloads, which are taken up where they broke (`partial-file.ts`). Node only.
 *
 * Content is written under a temporary name in the same folder, flushed to the disk, and renamed; then the folder is flushed, so
 * that the new name survives a power cut too. A temporary name says which process made it: those of dead processes are removed
 * by the next process that writes into the folder.
 */

import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import {
  copyFile,
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  symlink,
} from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { UserError } from '../../errors.ts';
import { fileSystemReason } from '../../platform/file-errors.ts';
import { isAlive, markText, ownMark, parseMark } from '../../platform/process-mark.ts';
import { formerFolder } from './former-folder.ts';

const TEMPORARY = /^\.sgool-([0-9a-f]{8}-\d+-\d+)-[0-9a-f]{8}\.tmp$/;
/** Hours after which a temporary of another machine is that of a dead process: its last write is so long ago. */
const ABANDONED_HOURS = 24;

function temporaryIn(folder: string): string {
  return join(folder, `.sgool-${markText(ownMark)}-${randomBytes(4).toString('hex')}.tmp`);
}

/** The error that the user sees, where the file system refused to write; else the error itself. */
export function refused(path: string, error: unknown): unknown {
  const reason = fileSystemReason(error);
  return reason === undefined ? error : new UserError(`cannot write ${path}: ${reason}`, { cause: error });
}

/**
 * Writes a file whole or not at all: `path` holds either its old content or all of the new one. On failure the temporary file is
 * removed.
 *
 * @param write receives the open temporary file
 * @param isFlushed whether it is flushed to the disk. Without it the file survives the end of the process, but maybe not that of the
 *   machine
 * @throws UserError when the disk is full, the folder is missing or not writable, and the like
 */
export async function replaceFile(
  path: string,
  write: (file: FileHandle) => Promise<void>,
  isFlushed = true,
): Promise<void> {
  await replaceEntry(
    path,
    async (temporary) => {
      const file = await open(temporary, 'wx');
      await written(file, () => write(file), isFlushed);
    },
    isFlushed,
  );
}

/**
 * Writes `data` to `path` so that no reader finds it half-written. See `replaceFile`.
 *
 * @throws UserError when the file system refuses
 */
export async function writeFileAtomic(path: string, data: Uint8Array | string): Promise<void> {
  await replaceFile(path, (file) => file.writeFile(data));
}

/**
 * `writeFileAtomic` without returning to the event loop: for a process that is about to end.
 *
 * @throws UserError when the file system refuses
 */
export function writeFileAtomicSync(path: string, data: Uint8Array | string): void {
  const temporary = temporaryIn(dirname(path));
  try {
    const file = openSync(temporary, 'wx');
    try {
      writeFileSync(file, data);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
    if (process.platform === 'win32') return;
    const folder = openSync(dirname(path), 'r');
    try {
      fsyncSync(folder);
    } catch (error) {
      if (!cannotFlushFolders(error)) throw error;
    } finally {
      closeSync(folder);
    }
  } catch (error) {
    try {
      rmSync(temporary, { force: true });
    } catch {
      // The first error is the one to report.
    }
    throw refused(path, error);
  }
}

/**
 * Creates a file that nobody else may have created: of several processes that try at the same time, one succeeds.
 *
 * @returns false where there is a file of this name
 * @throws the file system's error, when it refuses; nothing is left behind
 */
export async function createFile(path: string, data: Uint8Array | string): Promise<boolean> {
  let file: FileHandle;
  try {
    file = await open(path, 'wx');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  try {
    await written(file, () => file.writeFile(data));
  } catch (error) {
    await remove(path);
    throw error;
  }
  return true;
}

/**
 * Copies a file, through links, so that no reader finds it half-written.
 *
 * @throws UserError when the file system refuses
 */
export async function copyFileAtomic(path: string, source: string): Promise<void> {
  await replaceEntry(path, async (temporary) => {
    await copyFile(source, temporary);
    const file = await open(temporary, 'r+');
    await written(file, async () => undefined);
  });
}

/**
 * Makes `path` a relative link to a file, or a copy of it where links are not allowed. An earlier entry of that name is replaced.
 *
 * @throws UserError when the file system refuses
 */
export async function replaceByLink(path: string, target: string): Promise<void> {
  await replaceEntry(path, async (temporary) => {
    await symlink(relative(dirname(path), target), temporary)
      .catch(() => link(target, temporary))
      .catch(async () => {
        await copyFile(target, temporary);
        const file = await open(temporary, 'r+');
        await written(file, async () => undefined);
      });
  });
}

/**
 * Replaces a folder by a new one, or makes it. A process that is killed in between leaves the old folder: as `dir`, or for the
 * time between two renames as `formerFolder(dir)`, where readers find it. One process at a time: hold a lock.
 *
 * @param fill receives the path of the new folder, which is empty
 * @throws UserError when the file system refuses; the old folder is still there then
 */
export async function replaceFolder(dir: string, fill: (folder: string) => Promise<void>): Promise<void> {
  const former = formerFolder(dir);
  const temporary = temporaryIn(dirname(dir));
  try {
    await sweepTemporaries(dirname(dir));
    await mkdir(temporary);
    await fill(temporary);
    await flushFolder(temporary);
    // A process was killed between the renames below.
    if (!(await isThere(dir)) && (await isThere(former))) await rename(former, dir);
    if (await isThere(dir)) {
      await rm(former, { recursive: true, force: true });
      await rename(dir, former);
    }
    await rename(temporary, dir).catch(async (error) => {
      if (await isThere(former)) await rename(former, dir);
      throw error;
    });
    await flushFolder(dirname(dir)).finally(() => remove(former));
  } catch (error) {
    await remove(temporary);
    // A file in the new folder was refused: its temporary name means nothing to the user.
    const { cause } = error as Error;
    throw refused(dir, fileSystemReason(cause) === undefined ? error : cause);
  }
}

/**
 * Renames a file that is flushed, and flushes the folder, so that the new name survives a power cut.
 *
 * @throws the file system's error, when it refuses
 */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await flushFolder(dirname(to));
}

/** @param make makes the new entry under the temporary name that it receives */
async function replaceEntry(
  path: string,
  make: (temporary: string) => Promise<void>,
  isFlushed = true,
): Promise<void> {
  const temporary = temporaryIn(dirname(path));
  try {
    await sweepTemporaries(dirname(path));
    await make(temporary);
    if (isFlushed) await renameDurably(temporary, path);
    else await rename(temporary, path);
  } catch (error) {
    await remove(temporary);
    throw refused(path, error);
  }
}

/** Removes what nobody reads. Where that fails, another error is the one to report, and a later process removes it. */
const remove = (path: string) => rm(path, { recursive: true, force: true }).catch(() => undefined);

/** Writes to an open file, flushes it to the disk unless it is told not to, and closes it. */
async function written(file: FileHandle, write: () => Promise<void>, isFlushed = true): Promise<void> {
  try {
    await write();
    if (isFlushed) await file.sync();
  } finally {
    await file.close();
  }
}

/** Some file systems cannot flush a folder, as those of networks. */
const cannotFlushFolders = (error: unknown): boolean =>
  ['EINVAL', 'ENOTSUP', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '');

async function flushFolder(folder: string): Promise<void> {
  // Windows has no such call and keeps names in a journal.
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch (error) {
    if (!cannotFlushFolders(error)) throw error;
  } finally {
    await handle.close();
  }
}

const isThere = async (path: string) => (await lstat(path).catch(() => undefined)) !== undefined;

/** Folders that this process has swept. */
const swept = new Set<string>();

/** Removes what processes that died in the middle of writing have left in a folder; only sgool's own temporaries. */
async function sweepTemporaries(folder: string): Promise<void> {
  if (swept.has(folder)) return;
  swept.add(folder);
  for (const name of await readdir(folder).catch(() => [])) {
    const [, text] = TEMPORARY.exec(name) ?? [];
    const mark = text === undefined ? undefined : parseMark(text);
    if (mark === undefined) continue;
    const path = join(folder, name);
    if (isAlive(mark) ?? !(await isAbandoned(path))) continue;
    await remove(path);
  }
}

/**
 * Removes the temporaries of this process in a folder, at once: it is about to end, and what was writing them will not. What cannot
 * be removed is left to the next process.
 */
export function sweepOwnSync(folder: string): void {
  try {
    for (const name of readdirSync(folder)) {
      if (TEMPORARY.exec(name)?.[1] === markText(ownMark))
        rmSync(join(folder, name), { force: true, recursive: true });
    }
  } catch {
    // See above; or there is no such folder.
  }
}

async function isAbandoned(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs > ABANDONED_HOURS * 3_600_000;
}
