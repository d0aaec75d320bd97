/** @file The folder of an evaluation: where its files are, and how they are read. The files are the truth, the index is not. */
import { join } from 'node:path';
import type { z } from 'zod';
import { files } from '#platform';
import { UserError } from '../../errors.ts';
import { parseJson } from '../../platform/json.ts';
import { SIZE_LIMITS } from '../../platform/size-limits.ts';
import { type CellRecord, cellRecordSchema, RECORD_FORMAT } from './cell-record.ts';
import { MANIFEST_FORMAT, type Manifest, manifestSchema } from './manifest.ts';
import { type PlannedCell, planCells } from './plan.ts';

/** Names of the files in the folder of an evaluation. */
export const EVALUATION_FILES = {
  manifest: 'evaluation.json',
  cells: 'cells',
  index: 'index.sqlite',
  lock: '.evaluation.lock',
  report: 'report',
  study: 'study',
} as const;

/** Paths of the files of a cell. */
export function cellPaths(folder: string, id: string): { record: string; image: string } {
  const base = join(folder, EVALUATION_FILES.cells, id.slice(0, 2), id);
  return { record: `${base}.json`, image: `${base}.png` };
}

/** @throws UserError where there is none, it is broken, or a newer sgool wrote it */
export async function readManifest(folder: string): Promise<Manifest> {
  const path = join(folder, EVALUATION_FILES.manifest);
  const manifest = await readJson(path, manifestSchema, MANIFEST_FORMAT);
  if (manifest === undefined)
    throw new UserError(`${folder}: is no evaluation, it has no ${EVALUATION_FILES.manifest}`);
  return manifest;
}

/**
 * What is kept of a cell, or undefined where it was not run yet.
 *
 * @throws UserError where the file is broken, or a newer sgool wrote it
 */
export async function readRecord(folder: string, id: string): Promise<CellRecord | undefined> {
  return readJson(cellPaths(folder, id).record, cellRecordSchema, RECORD_FORMAT);
}

/** A cell of the plan and what is kept of it. */
export interface EvaluatedCell extends PlannedCell {
  /** Absent where the cell was not run yet. */
  readonly record?: CellRecord;
}

/** An evaluation with everything that is known so far. */
export interface Evaluation {
  /** Absolute path. */
  readonly folder: string;
  readonly manifest: Manifest;
  /** In the order of the plan. */
  readonly cells: readonly EvaluatedCell[];
}

/**
 * Reads an evaluation from its files.
 *
 * @throws UserError as `readManifest` and `readRecord` do
 */
export async function readEvaluation(folder: string): Promise<Evaluation> {
  const manifest = await readManifest(folder);
  const records = new Map<string, CellRecord | undefined>();
  const cells: EvaluatedCell[] = [];
  for (const planned of planCells(manifest)) {
    if (!records.has(planned.id)) records.set(planned.id, await readRecord(folder, planned.id));
    const record = records.get(planned.id);
    cells.push(record === undefined ? planned : { ...planned, record });
  }
  return { folder, manifest, cells };
}

async function readJson<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  format: number,
): Promise<z.output<Schema> | undefined> {
  if (!(await files.exists(path))) return undefined;
  const value = parseJson(await files.readText(path, SIZE_LIMITS.record), path);
  const found = (value as { format?: unknown } | null)?.format;
  if (typeof found === 'number' && found > format) {
    throw new UserError(`${path}: a newer sgool wrote it (format ${found}), this one reads up to ${format}`);
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new UserError(`${path}: ${issue.path.join('.') || 'file'}: ${issue.message}`);
}
