/** @file Where the files of cells go that many machines make: a folder that they share, or a bucket. */
import { existsSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { files } from '#platform';
import { UserError } from '../../errors.ts';
import { parseJson } from '../../platform/json.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
import { writeFileAtomic } from '../../weights/sources/atomic-file.ts';
import { makeFolders } from '../../weights/sources/make-folders.ts';
import { type CellRecord, cellRecordSchema } from '../cells/cell-record.ts';
import type { MadeCell } from '../cells/run-cell.ts';
import { cellPaths, EVALUATION_FILES, readRecord } from '../cells/run-folder.ts';
import { removeRecord, writeCell, writeRecord } from '../cells/write-cell.ts';
import { bytesSha256 } from '../scores/weights-hash.ts';

/** The files of an evaluation, wherever they are. Everything may be done twice: the second time changes nothing. */
export interface Results {
  /** @throws UserError where this machine cannot reach them */
  check(): Promise<void>;
  /** Puts the manifest there, if it is not. */
  begin(manifest: Uint8Array): Promise<void>;
  /** What is kept of a cell, with its image if it is done; undefined if it has to be run. */
  read(id: string): Promise<KeptCell | undefined>;
  write(made: MadeCell): Promise<void>;
  /** Of a cell that failed. A cell that is done stays done. */
  writeFailure(record: CellRecord): Promise<void>;
  /** Forgets a cell that is to be run again. */
  remove(id: string): Promise<void>;
  close(): void;
}

export interface KeptCell {
  readonly record: CellRecord;
  /** PNG, of a cell that is done. */
  readonly png?: Uint8Array;
}

/** Files in a folder, as a run on one machine writes them. */
export function folderResults(folder: string): Results {
  const results: Results = {
    async check() {
      try {
        await access(join(folder, EVALUATION_FILES.manifest));
      } catch (error) {
        // Made anew, the folder would be on a disk that nobody else sees.
        throw new UserError(
          `${folder}: holds no evaluation on this machine; mount the shared folder there, or name it with --out`,
          { cause: error },
        );
      }
    },
    async begin(manifest) {
      const path = join(folder, EVALUATION_FILES.manifest);
      if (existsSync(path)) return;
      await makeFolders(folder);
      await writeFileAtomic(path, manifest);
    },
    async read(id) {
      const record = await readRecord(folder, id);
      if (record?.status !== 'done') return record && { record };
      const png = await files
        .readBytes(cellPaths(folder, id).image, SIZE_LIMITS.picture)
        .catch(() => undefined);
      return whole(record, png);
    },
    write: (made) => writeCell(folder, made),
    async writeFailure(record) {
      if ((await results.read(record.id))?.record.status !== 'done') await writeRecord(folder, record);
    },
    remove: (id) => removeRecord(folder, id),
    close: () => {},
  };
  return results;
}

/**
 * A done cell with its image; undefined where the image is missing or another one. That may be so where two machines made the cell
 * at once and the record of one came after the image of the other.
 */
export function whole(record: CellRecord, png: Uint8Array | undefined): KeptCell | undefined {
  if (record.status !== 'done') return { record };
  if (png === undefined || bytesSha256(png) !== record.image.sha256) return undefined;
  return { record, png };
}

/** The record in a text. @throws UserError where it is none */
export function parseRecord(text: string, where: string): CellRecord {
  const result = cellRecordSchema.safeParse(parseJson(text, where));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new UserError(`${where}: ${issue.path.join('.') || 'file'}: ${issue.message}`);
}
