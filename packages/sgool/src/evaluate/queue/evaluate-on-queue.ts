/** @file An evaluation whose cells other machines run: fills the queue, follows it, and gathers what the workers have written. */

import type { z } from 'zod';
import { UserError } from '../../errors.ts';
import type { CellRecord } from '../cells/cell-record.ts';
import { RECORD_FORMAT } from '../cells/cell-record.ts';
import { writeCell, writeRecord } from '../cells/write-cell.ts';
import { BACKOFF_MS, type cellJobSchema, jobOptions } from './cell-job.ts';
import { isAway, sleep } from './cell-worker.ts';
import { type CellQueue, type QueueServer, queueReason } from './queue-server.ts';
import { folderResults, type KeptCell, type Results } from './results.ts';

/** Jobs by the ids of their cells. */
export type CellJobs = ReadonlyMap<string, z.input<typeof cellJobSchema>>;

/** An evaluation on a queue. */
export interface QueuedEvaluation {
  readonly server: QueueServer;
  readonly queue: CellQueue;
  readonly jobs: CellJobs;
  readonly results: Results;
  readonly now: () => Date;
  /** Before the second attempt, in milliseconds. */
  readonly backoff?: number;
}

/** What has become of the jobs of an evaluation. */
export interface QueuedCounts {
  /** Added now. */
  readonly added: number;
  /** In the queue already, or ended before. */
  readonly known: number;
}

/** Jobs that are added in one message. */
const BULK = 500;
const UNFINISHED = ['waiting', 'active', 'delayed', 'prioritized'] as const;

/** A cell counts as ended with its record: done with image and all scores, or failed. */
function isEnded(kept: KeptCell | undefined, scores: Readonly<Record<string, string>>): boolean {
  if (kept === undefined) return false;
  const { record } = kept;
  return record.status === 'failed' || Object.keys(scores).every((name) => name in record.scores);
}

/** Ids of the cells that have not ended. */
async function missing({ jobs, results }: QueuedEvaluation): Promise<string[]> {
  const ids: string[] = [];
  for (const [id, { scores }] of jobs) if (!isEnded(await results.read(id), scores)) ids.push(id);
  return ids;
}

/**
 * Adds the cells that have no record to the queue. Those that are in it stay as they are: adding twice changes nothing.
 *
 * @throws UserError where a cell waits there for another folder
 */
export async function fillQueue(evaluation: QueuedEvaluation): Promise<QueuedCounts> {
  const { queue, jobs, backoff = BACKOFF_MS } = evaluation;
  const wanted = new Set(await missing(evaluation));
  // Ended on the queue, and the files are not there: they were removed, or the worker could not even write the failure.
  for (const id of (await queue.getRanges(['completed', 'failed'], 0, -1)).filter((one) => wanted.has(one))) {
    if (await settleFailure(evaluation, id)) wanted.delete(id);
    else await queue.remove(id);
  }
  const waiting = new Set((await queue.getRanges([...UNFINISHED], 0, -1)).filter((id) => wanted.has(id)));
  for (const id of waiting) await checkPlace(evaluation, id);
  const added = [...wanted].filter((id) => !waiting.has(id));
  for (let i = 0; i < added.length; i += BULK) {
    await queue.addBulk(
      added
        .slice(i, i + BULK)
        .map((id) => ({ name: 'cell', data: jobs.get(id), opts: jobOptions(id, backoff) })),
    );
  }
  return { added: added.length, known: jobs.size - added.length };
}

/** @throws UserError where the job of a cell writes into another place: this evaluation would wait for files that never come */
async function checkPlace({ queue, jobs, server }: QueuedEvaluation, id: string): Promise<void> {
  const data = (await queue.getJob(id))?.data as { results?: string } | undefined;
  const here = jobs.get(id)?.results;
  if (data?.results === undefined || data.results === here) return;
  throw new UserError(
    `--queue: ${server.address.shown}: cell ${id.slice(0, 12)} waits there already for ${data.results}; let that evaluation end, or use the same folder`,
  );
}

/**
 * Writes the record of a job that failed without one: its worker died too often, or could not write.
 *
 * @returns whether the cell has ended that way
 */
async function settleFailure(
  { queue, jobs, results, server, now }: QueuedEvaluation,
  id: string,
): Promise<boolean> {
  if ((await results.read(id)) !== undefined) return true;
  const job = await queue.getJob(id);
  const wanted = jobs.get(id);
  if (job === undefined || wanted === undefined) return false;
  const { failedReason, attemptsMade } = job;
  if (!failedReason || (job.data as { results?: string }).results !== wanted.results) return false;
  if (!(await job.isFailed())) return false;
  const record: CellRecord = {
    format: RECORD_FORMAT,
    id,
    cell: {
      ...wanted.cell,
      negativePrompt: wanted.cell.negativePrompt ?? '',
      seed: seedOf(wanted.cell.seed),
    },
    status: 'failed',
    error: failedReason.replaceAll(/\s*\n\s*/g, ' '),
    retry: true,
    attempts: Math.max(1, attemptsMade),
    machine: 'unknown',
    finished: now().toISOString(),
  };
  await results.writeFailure(record);
  await server.rows?.add(record);
  return true;
}

const seedOf = (seed: number | string): number | bigint => (typeof seed === 'string' ? BigInt(seed) : seed);

/** How far the evaluation is. */
export interface QueueProgress {
  readonly total: number;
  /** Done or failed, by their jobs. */
  readonly ended: number;
  readonly failed: number;
  /** Of the whole queue: other evaluations may share it. */
  readonly running: number;
  readonly workers: number;
}

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** Between two looks, in milliseconds. */
  readonly interval?: number;
  onProgress?(progress: QueueProgress): void;
  /** One line for people. */
  say(line: string): void;
}

const LOOK_MS = 1_000;
const PAGE = 200;

/**
 * Waits until every cell has ended. A server that goes away is waited for; one that comes back without its jobs is filled again.
 *
 * @throws the signal's reason where it is stopped: the queue stays as it is
 */
export async function followQueue(evaluation: QueuedEvaluation, options: FollowOptions): Promise<void> {
  const { server, queue, jobs } = evaluation;
  const { signal, interval = LOOK_MS, onProgress, say } = options;
  const { address } = server;
  let isLost = false;
  let waiting: Set<string> | undefined;
  let failed = 0;
  for (;;) {
    signal.throwIfAborted();
    try {
      waiting ??= new Set(await missing(evaluation));
      const seen = await endedOf(queue, waiting);
      for (const id of seen.failed) {
        await settleFailure(evaluation, id);
        failed++;
      }
      for (const id of [...seen.failed, ...seen.completed]) waiting.delete(id);
      const { active = 0, ...rest } = await queue.getJobCounts('waiting', 'active', 'delayed', 'prioritized');
      onProgress?.({
        total: jobs.size,
        ended: jobs.size - waiting.size,
        failed,
        running: active,
        workers: await queue.getWorkersCount().catch(() => 0),
      });
      if (isLost) say(`${address.shown} answers again`);
      isLost = false;
      const isIdle = active === 0 && Object.values(rest).every((count) => count === 0);
      if (waiting.size === 0 || isIdle) {
        // The files are the truth: what lacks them goes into the queue again.
        const { added } = await fillQueue(evaluation);
        waiting = undefined;
        if (added === 0 && (await missing(evaluation)).length === 0) return;
        continue;
      }
    } catch (error) {
      if (!isAway(error)) throw error;
      if (!isLost) say(`${address.shown} does not answer (${queueReason(address, error)}); waiting for it`);
      isLost = true;
    }
    await sleep(interval, signal);
  }
}

/** Which of these cells have ended on the queue. The newest come first, so that one page is enough most of the time. */
async function endedOf(queue: CellQueue, ids: ReadonlySet<string>) {
  const found = { completed: [] as string[], failed: [] as string[] };
  for (const state of ['completed', 'failed'] as const) {
    for (let start = 0; ; start += PAGE) {
      const page = await queue.getRanges([state], start, start + PAGE - 1, false);
      const ours = page.filter((id) => ids.has(id));
      found[state].push(...ours);
      if (page.length < PAGE || ours.length === 0) break;
    }
  }
  return found;
}

/**
 * Brings what the workers have written into the folder of the evaluation, and the rows to what the files say.
 *
 * @returns how many cells have a record
 */
export async function gather(evaluation: QueuedEvaluation, folder: string): Promise<number> {
  const { jobs, results, server } = evaluation;
  const own = folderResults(folder);
  let count = 0;
  for (const id of jobs.keys()) {
    const kept = await results.read(id);
    if (kept === undefined) continue;
    count++;
    const { record, png } = kept;
    const before = await own.read(id);
    if (before === undefined || before.record.status === 'failed') {
      if (record.status === 'done' && png !== undefined) await writeCell(folder, { record, png });
      else await writeRecord(folder, record);
    }
    await server.rows?.add(record);
  }
  return count;
}

/**
 * Lets failed cells be run again.
 *
 * @param all also those for which another attempt does not help
 * @returns how many were added to the queue
 */
export async function retryOnQueue(
  evaluation: QueuedEvaluation,
  folder: string,
  all: boolean,
): Promise<number> {
  const { jobs, results, queue, server } = evaluation;
  await fillQueue(evaluation);
  const own = folderResults(folder);
  let count = 0;
  for (const [id, data] of jobs) {
    const kept = await results.read(id);
    if (kept?.record.status !== 'failed' || !(all || kept.record.retry)) continue;
    await queue.remove(id);
    await own.remove(id);
    await results.remove(id);
    await server.rows?.remove(id);
    await queue.add('cell', data, jobOptions(id, evaluation.backoff));
    count++;
  }
  return count;
}
