/** @file Writing the files of a cell: the image first, the record last, so that a record always has its image. */
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from '../../errors.ts';
import { fileSystemReason } from '../../platform/file-errors.ts';
import { writeFileAtomic } from '../../weights/sources/atomic-file.ts';
import { makeFolders } from '../../weights/sources/make-folders.ts';
import { cellForJson } from './cell.ts';
import type { CellRecord } from './cell-record.ts';
import type { MadeCell } from './run-cell.ts';
import { cellPaths } from './run-folder.ts';

/** @throws UserError where the file system refuses; then there is no record */
export async function writeCell(folder: string, { record, png }: MadeCell): Promise<void> {
  const paths = cellPaths(folder, record.id);
  await makeFolder(dirname(paths.image));
  await writeFileAtomic(paths.image, png);
  await writeRecord(folder, record);
}

/** @throws UserError where the file system refuses */
export async function writeRecord(folder: string, record: CellRecord): Promise<void> {
  const path = cellPaths(folder, record.id).record;
  await makeFolder(dirname(path));
  await writeFileAtomic(
    path,
    `${JSON.stringify({ ...record, cell: cellForJson(record.cell) }, undefined, 1)}\n`,
  );
}

/** @throws UserError where the file system refuses */
async function makeFolder(path: string): Promise<void> {
  try {
    await makeFolders(path);
  } catch (error) {
    const reason = fileSystemReason(error) ?? (error as Error).message;
    throw new UserError(`cannot make the folder ${path}: ${reason}`, { cause: error });
  }
}

/** Removes the record of a cell that is to be run again. */
export async function removeRecord(folder: string, id: string): Promise<void> {
  await rm(cellPaths(folder, id).record, { force: true });
}
