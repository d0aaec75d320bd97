/** @file Running the cells of an evaluation that wait, until none does. Several processes may do it at once. */
import { existsSync } from 'node:fs';
import { UserError } from '../errors.ts';
import type { StepProgress } from '../methods/run/iteration.ts';
import type { CellRecord } from './cells/cell-record.ts';
import { RECORD_FORMAT } from './cells/cell-record.ts';
import type { Manifest } from './cells/manifest.ts';
import type { PlannedCell } from './cells/plan.ts';
import { type CellRunner, runCell } from './cells/run-cell.ts';
import { cellPaths, readRecord } from './cells/run-folder.ts';
import { writeCell, writeRecord } from './cells/write-cell.ts';
import { type CellCounts, CellStore, HEARTBEAT_MS, thisWorker } from './store/cell-store.ts';

/** A cell that has just ended. */
export interface EndedCell {
  readonly planned: PlannedCell;
  readonly record: CellRecord;
  readonly counts: CellCounts;
}

export interface EvaluationOptions {
  readonly signal?: AbortSignal;
  onCell?(ended: EndedCell): void;
  onStep?(planned: PlannedCell, step: StepProgress): void;
}

/** Failures to write in a row after which a run ends: the disk is full, and each cell would be lost. */
const MOST_UNWRITTEN = 3;

/** Text of an error that another attempt does not help against. */
const IS_FINAL =
  /\b(not finite|not a number|NaN|no such option|not usable|must be|unknown|needs images of|sees images of)\b/;

/** Makes the index agree with the files. */
export async function syncStore(
  folder: string,
  plan: readonly PlannedCell[],
  store: CellStore,
): Promise<void> {
  store.add([...new Set(plan.map(({ id }) => id))]);
  const states = store.states();
  for (const id of new Set(plan.map((planned) => planned.id))) {
    const record = await usableRecord(folder, id);
    const isKnown =
      record === undefined
        ? states.get(id) !== 'done' && states.get(id) !== 'failed'
        : states.get(id) === record.status;
    if (!isKnown) store.note(id, record);
  }
  store.reclaim();
}

/** The record of a cell with its image; of a record without one, nothing. */
async function usableRecord(folder: string, id: string): Promise<CellRecord | undefined> {
  const record = await readRecord(folder, id);
  return record?.status === 'done' && !existsSync(cellPaths(folder, id).image) ? undefined : record;
}

/**
 * Runs every cell that waits. A cell that fails is recorded with the reason, and the next one is run.
 *
 * @param plan the cells that this process may take: all, or a part
 * @throws UserError where nothing can be written; the signal's reason where it is stopped, the cell in work waits again
 */
export async function runEvaluation(
  folder: string,
  manifest: Manifest,
  plan: readonly PlannedCell[],
  runner: CellRunner,
  { signal, onCell, onStep }: EvaluationOptions = {},
): Promise<CellCounts> {
  const store = CellStore.open(folder);
  const worker = thisWorker();
  store.heartbeat(worker);
  const pulse = setInterval(() => store.heartbeat(worker), HEARTBEAT_MS);
  pulse.unref();
  const byId = new Map(plan.map((planned) => [planned.id, planned]));
  let unwritten = 0;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const id = store.claim(worker);
      if (id === undefined) {
        if (store.reclaim() > 0) continue;
        break;
      }
      const planned = byId.get(id);
      if (planned === undefined) throw new Error(`evaluate: cell ${id} is in the index and not in the plan`);
      let record: CellRecord;
      try {
        record = await endCell(folder, manifest, planned, runner, {
          signal,
          onStep: onStep && ((step) => onStep(planned, step)),
        });
        unwritten = 0;
      } catch (error) {
        // Stopped, or the disk is full: the cell is not lost, it waits.
        store.release(id, worker);
        if (signal?.aborted || !(error instanceof UserError) || ++unwritten >= MOST_UNWRITTEN) throw error;
        continue;
      }
      store.note(id, record);
      onCell?.({ planned, record, counts: store.counts() });
    }
    return store.counts();
  } finally {
    clearInterval(pulse);
    store.leave(worker);
    store.close();
  }
}

/** Runs a cell and writes its files. @throws what stopped it; UserError where its files cannot be written */
async function endCell(
  folder: string,
  manifest: Manifest,
  planned: PlannedCell,
  runner: CellRunner,
  options: Parameters<typeof runCell>[2],
): Promise<CellRecord> {
  const { id, cell, suite, prompt } = planned;
  const readings = manifest.suites
    .find(({ name }) => name === suite)
    ?.prompts.find((one) => one.id === prompt)?.readings;
  let made: Awaited<ReturnType<typeof runCell>>;
  try {
    made = await runCell(runner, { id, cell, ...(readings === undefined ? {} : { readings }) }, options);
  } catch (error) {
    if (options?.signal?.aborted) throw error;
    const before = await readRecord(folder, id);
    const message = error instanceof Error ? error.message : String(error);
    const record: CellRecord = {
      format: RECORD_FORMAT,
      id,
      cell,
      status: 'failed',
      error: message.replaceAll(/\s*\n\s*/g, ' '),
      retry: !IS_FINAL.test(message),
      attempts: (before?.status === 'failed' ? before.attempts : 0) + 1,
      machine: runner.machine,
      finished: runner.now().toISOString(),
    };
    await writeRecord(folder, record);
    return record;
  }
  await writeCell(folder, made);
  return made.record;
}
