/** @file Cells that fail: what is kept of them, and whether another attempt may help. */
import { UserError } from '../../errors.ts';
import { fileSystemReason } from '../../platform/file-errors.ts';
import type { CellRecord } from './cell-record.ts';
import { RECORD_FORMAT } from './cell-record.ts';
import type { CellTask } from './run-cell.ts';
import { errorLine } from './score-image.ts';

/** What the runtimes say where memory is too small. */
const OUT_OF_MEMORY = /out of memory|bad_alloc|failed to allocate|allocation failed|array buffer allocation/i;

/**
 * Whether another attempt may help. Not against settings that are wrong, values that are not finite, or memory that is too small:
 * the same cell would fail again. It may against a file system or a device that refused once.
 */
export function mayRetry(error: unknown): boolean {
  if (OUT_OF_MEMORY.test(errorLine(error))) return false;
  return !(error instanceof UserError) || fileSystemReason(error.cause) !== undefined;
}

/**
 * The record of a cell that failed.
 *
 * @param attempts how often it has failed, this time included
 */
export function failedRecord(
  { id, cell }: CellTask,
  error: unknown,
  { attempts, machine, now }: { attempts: number; machine: string; now: Date },
): CellRecord {
  return {
    format: RECORD_FORMAT,
    id,
    cell,
    status: 'failed',
    error: errorLine(error),
    retry: mayRetry(error),
    attempts,
    machine,
    finished: now.toISOString(),
  };
}
