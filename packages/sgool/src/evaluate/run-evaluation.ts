/** @file Running the cells of an evaluation that wait, until none does. Several processes may do it at once. */
import { existsSync } from 'node:fs';
import { files } from '#platform';
import { UserError } from '../errors.ts';
import { decodeVideo } from '../image/video/read-video.ts';
import type { RunOptions, StepProgress } from '../methods/run/iteration.ts';
import { SIZE_LIMITS } from '../platform/size-limits.ts';
import type { CellRecord, DoneCell } from './cells/cell-record.ts';
import { failedRecord } from './cells/failure.ts';
import { removeLeftovers } from './cells/leftovers.ts';
import type { Manifest } from './cells/manifest.ts';
import type { PlannedCell } from './cells/plan.ts';
import { type CellRunner, type CellTask, runCell } from './cells/run-cell.ts';
import { cellPaths, readRecord } from './cells/run-folder.ts';
import { scoreNames, withMissingScores } from './cells/score-image.ts';
import { writeCell, writeRecord } from './cells/write-cell.ts';
import { bytesSha256 } from './scores/weights-hash.ts';
import { type CellCounts, CellStore, HEARTBEAT_MS, thisWorker, type Worker } from './store/cell-store.ts';
import type { Clause } from './suites/clause.ts';

/** A cell that has just ended. */
export interface EndedCell {
  readonly planned: PlannedCell;
  readonly record: CellRecord;
  /** Whether its image was there, and only scores were added. */
  readonly isScoredOnly: boolean;
  /** Wall time, in seconds. */
  readonly seconds: number;
  readonly counts: CellCounts;
  /** Processes that are at work. */
  readonly processes: number;
  /** The cells that wait. */
  readonly waiting: readonly PlannedCell[];
}

export interface EvaluationOptions {
  readonly signal?: AbortSignal;
  onCell?(ended: EndedCell): void;
  onStep?(planned: PlannedCell, step: StepProgress): void;
  /** A cell whose files could not be written; it is tried again. */
  onUnwritten?(planned: PlannedCell, error: UserError): void;
}

/** Failures to write in a row after which a run ends: the disk is full, and each cell would be lost. */
const MOST_UNWRITTEN = 3;

/**
 * Makes the index agree with the files.
 *
 * @param scores names of the scores that a cell must have to be done
 * @returns how many cells wait
 */
export async function syncStore(
  folder: string,
  store: CellStore,
  scores: readonly string[] = [],
): Promise<number> {
  store.reclaim();
  for (const [id, state] of store.states()) {
    const record = await usableRecord(folder, id, scores);
    const isKnown =
      record === undefined ? state === 'waiting' || state === 'running' : state === record.status;
    if (!isKnown) store.note(id, record);
  }
  return store.counts().waiting;
}

/** The record of a cell with its image and all scores; of a record that lacks one of them, nothing. */
async function usableRecord(
  folder: string,
  id: string,
  scores: readonly string[],
): Promise<CellRecord | undefined> {
  const record = await readRecord(folder, id);
  if (record?.status !== 'done') return record;
  const isWhole = existsSync(cellPaths(folder, id).image) && scores.every((name) => name in record.scores);
  return isWhole ? record : undefined;
}

/**
 * Runs every cell that waits. A cell that fails is recorded with the reason, and the next one is run. A cell whose image is there
 * and lacks scores gets them.
 *
 * @param plan the cells that this process may take: all, or a part
 * @throws UserError where nothing can be written; the signal's reason where it is stopped, the cell in work waits again
 */
export async function runEvaluation(
  folder: string,
  manifest: Manifest,
  plan: readonly PlannedCell[],
  runner: CellRunner,
  options: EvaluationOptions = {},
): Promise<CellCounts> {
  const store = CellStore.open(
    folder,
    plan.map(({ id }) => id),
  );
  const worker = thisWorker();
  const pulse = setInterval(() => {
    try {
      store.heartbeat(worker);
    } catch {
      // The disk is full, or another process writes for long: the next beat counts, and the work itself says what is wrong.
    }
  }, HEARTBEAT_MS);
  pulse.unref();
  try {
    store.reclaim();
    if (store.workers().length === 0) await removeLeftovers(folder);
    store.heartbeat(worker);
    const needed = scoreNames(runner.scorers);
    // Again at the end: another process may have died, or made images without the scores that this one was asked for.
    while ((await syncStore(folder, store, needed)) > 0) {
      await runWaiting({ folder, manifest, plan, runner, options, store, worker });
    }
    return store.counts();
  } finally {
    clearInterval(pulse);
    try {
      store.leave(worker);
    } catch {
      // Its process is gone soon; others see that.
    }
    store.close();
  }
}

interface Work {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly plan: readonly PlannedCell[];
  readonly runner: CellRunner;
  readonly options: EvaluationOptions;
  readonly store: CellStore;
  readonly worker: Worker;
}

async function runWaiting(work: Work): Promise<void> {
  const { plan, options, store, worker } = work;
  const { signal, onCell, onUnwritten } = options;
  const byId = new Map(plan.map((planned) => [planned.id, planned]));
  const truths = truthsOf(work.manifest);
  let unwritten = 0;
  for (;;) {
    signal?.throwIfAborted();
    const claim = store.claim(worker);
    if (claim === undefined) return;
    const planned = byId.get(claim.id);
    if (planned === undefined) throw new Error(`evaluate: cell ${claim.id} is not in the plan`);
    const readings = truths.get(planned.cell.prompt);
    const task = { ...planned, ...(readings === undefined ? {} : { readings }), attempts: claim.attempts };
    const started = performance.now();
    try {
      const { record, isScoredOnly } = await endCell(work, task);
      store.note(claim.id, record);
      unwritten = 0;
      const waiting = [...store.states()].flatMap(([id, state]) =>
        state === 'waiting' ? (byId.get(id) ?? []) : [],
      );
      const seconds = (performance.now() - started) / 1000;
      const [counts, processes] = [store.counts(), store.workers().length];
      onCell?.({ planned, record, isScoredOnly, seconds, counts, processes, waiting });
    } catch (error) {
      // Stopped, or the disk is full: the cell is not lost, it waits.
      store.release(claim.id, worker);
      if (signal?.aborted || !(error instanceof UserError) || ++unwritten >= MOST_UNWRITTEN) throw error;
      onUnwritten?.(planned, error);
    }
  }
}

/** Clauses by the text of the prompt. */
function truthsOf({ suites }: Manifest): ReadonlyMap<string, readonly (readonly Clause[])[]> {
  const prompts = suites.flatMap((suite) => suite.prompts);
  return new Map(prompts.flatMap(({ text, readings }) => (readings === undefined ? [] : [[text, readings]])));
}

type Task = PlannedCell & CellTask & { readonly attempts: number };

/**
 * Brings a cell to its end, and writes its files.
 *
 * @throws what stopped it; UserError where its files cannot be written
 */
async function endCell(
  { folder, runner, options, store, worker }: Work,
  task: Task,
): Promise<{ record: CellRecord; isScoredOnly: boolean }> {
  const { id } = task;
  const { signal, onStep } = options;
  const found = await scoredAgain(folder, task, runner);
  const made: Attempt =
    found === undefined
      ? await attempt(task, runner, {
          ...(signal === undefined ? {} : { signal }),
          ...(onStep === undefined ? {} : { onStep: (step) => onStep(task, step) }),
        })
      : { record: found, png: undefined };
  // Another process took this one for dead, and was quicker: its files stay.
  const theirs = store.holds(id, worker)
    ? undefined
    : await usableRecord(folder, id, scoreNames(runner.scorers));
  if (theirs !== undefined) return { record: theirs, isScoredOnly: false };
  const { record, png } = made;
  if (record.status === 'done' && png !== undefined) await writeCell(folder, { record, png });
  else await writeRecord(folder, record);
  return { record, isScoredOnly: record.status === 'done' && png === undefined };
}

interface Attempt {
  readonly record: CellRecord;
  /** Absent where the image is there already, or there is none. */
  readonly png: Uint8Array | undefined;
}

/** Makes the image of a cell, or the record of its failure. @throws the reason where it was stopped */
async function attempt(task: Task, runner: CellRunner, options: RunOptions): Promise<Attempt> {
  try {
    return await runCell(runner, task, options);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    const { machine, now } = runner;
    const attempts = task.attempts + 1;
    return { record: failedRecord(task, error, { attempts, machine, now: now() }), png: undefined };
  }
}

/** The record of an image that is there, with the scores that it lacked; undefined where the image must be made. */
async function scoredAgain(
  folder: string,
  { id, cell, readings }: CellTask,
  { scorers }: CellRunner,
): Promise<DoneCell | undefined> {
  const path = cellPaths(folder, id).image;
  const record = await readRecord(folder, id);
  if (record?.status !== 'done' || !existsSync(path)) return undefined;
  const bytes = await files.readBytes(path, SIZE_LIMITS.picture);
  // A file that was changed or cut off is made again.
  if (bytesSha256(bytes) !== record.image.sha256) return undefined;
  const { frames } = await decodeVideo(bytes, path);
  const prompt = { text: cell.prompt, ...(readings === undefined ? {} : { readings }) };
  return withMissingScores(record, scorers, { frames, prompt });
}
