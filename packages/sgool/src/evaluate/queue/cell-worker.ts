/** @file A worker: takes the jobs of cells from a queue, runs them, writes their files and rows, until it is stopped. */
import type { Job } from 'bullmq';
import { UserError } from '../../errors.ts';
import type { CellRecord } from '../cells/cell-record.ts';
import { failedRecord, mayRetry } from '../cells/failure.ts';
import { type CellRunner, type MadeCell, runCell } from '../cells/run-cell.ts';
import { type CellJob, cellJobSchema, HOLD_TIMES, type HoldTimes, JOB_FORMAT } from './cell-job.ts';
import { type QueueServer, queueReason } from './queue-server.ts';
import type { Results } from './results.ts';

/** This worker cannot run a cell; another one may. */
export class Refusal extends UserError {}

/** What cells are run on, once what they need is open. */
export interface Lane {
  /** Makes the image of a cell and scores it. @throws as `runCell` does */
  run(id: string, job: CellJob, signal: AbortSignal): Promise<MadeCell>;
  readonly machine: string;
}

/** What a worker works with. Each of its cells that run at the same time has a lane of its own. */
export interface WorkerParts {
  /** Opens the model of a job, or keeps the one that is open. @throws Refusal where this machine has not the same one */
  lane(index: number, job: CellJob): Promise<Lane>;
  /** Where the files of a job go. @throws Refusal where this machine cannot reach it */
  results(job: CellJob): Promise<Results>;
  now(): Date;
}

export interface WorkerOptions {
  readonly queue: string;
  readonly concurrency: number;
  readonly signal: AbortSignal;
  readonly hold?: HoldTimes;
  /** Longest pause after a refusal, in milliseconds. */
  readonly longestPause?: number;
  /** One line for people. */
  say(line: string): void;
  onTaken?(id: string, job: CellJob): void;
  onEnded?(id: string, job: CellJob, record: CellRecord): void;
}

/** After a stop, how long a cell may take to notice it before its job is given back all the same. */
const STOP_MS = 2_000;
/** After a refusal, how soon others may take the job. */
const GIVE_ON_MS = 500;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
/** How often a row is tried to be written while the server is away. */
const ROW_RETRY_MS = 500;

/** A lane that runs cells with `runCell`. */
export function laneOf(runner: CellRunner): Lane {
  return {
    machine: runner.machine,
    run: (id, { cell, readings }, signal) =>
      runCell(runner, { id, cell, ...(readings === undefined ? {} : { readings }) }, { signal }),
  };
}

/**
 * Takes jobs until the signal stops it; then the jobs in work are given back. A server that goes away is waited for.
 *
 * @returns how many cells this worker has ended
 */
export async function runWorker(
  server: QueueServer,
  parts: WorkerParts,
  options: WorkerOptions,
): Promise<number> {
  const { queue, concurrency, signal, say, hold = HOLD_TIMES } = options;
  const { bullmq, address } = server;
  const free = Array.from({ length: concurrency }, (_, index) => index);
  const refused = new Set<string>();
  let pause = FIRST_PAUSE_MS;
  let ended = 0;

  async function take(job: Job<unknown, unknown, string>, token: string): Promise<unknown> {
    const { id = '' } = job;
    const giveBack = async () => {
      await job.moveToWait(token);
      throw new bullmq.WaitingError();
    };
    if (signal.aborted) return giveBack();
    const index = free.shift() ?? 0;
    try {
      const task = readJob(job.data);
      const results = await parts.results(task);
      const kept = await results.read(id);
      if (kept?.record.status === 'done' && hasScores(kept.record, task)) {
        await addRow(kept.record);
        return { id, status: 'done' };
      }
      const lane = await parts.lane(index, task);
      options.onTaken?.(id, task);
      const outcome = await stoppable(run(lane, id, task, job, results), signal);
      if (outcome === undefined) return await giveBack();
      pause = FIRST_PAUSE_MS;
      await addRow(outcome.record);
      ended++;
      options.onEnded?.(id, task, outcome.record);
      if (outcome.failure !== undefined) throw outcome.failure;
      return { id, status: 'done' };
    } catch (error) {
      if (error instanceof Refusal) return await refuse(error.message, job, token);
      if (signal.aborted && error === signal.reason) return await giveBack();
      throw error;
    } finally {
      free.unshift(index);
    }
  }

  /** Gives a job on to others, and rests: this worker would take it again at once. */
  async function refuse(reason: string, job: Job<unknown, unknown, string>, token: string): Promise<never> {
    if (!refused.has(reason)) say(`${reason}; its cells are left to other workers`);
    refused.add(reason);
    await job.moveToDelayed(Date.now() + GIVE_ON_MS, token);
    await sleep(pause, signal);
    pause = Math.min(2 * pause, options.longestPause ?? LONGEST_PAUSE_MS);
    throw new bullmq.DelayedError();
  }

  /** Runs a cell. @returns what is kept of it; nothing of a failure that is tried again */
  async function run(
    lane: Lane,
    id: string,
    task: CellJob,
    job: Job<unknown, unknown, string>,
    results: Results,
  ): Promise<{ record: CellRecord; failure?: Error }> {
    let made: MadeCell;
    try {
      made = await lane.run(id, task, signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const attempts = job.attemptsMade + 1;
      const isLast = !mayRetry(error) || attempts >= (job.opts.attempts ?? 1);
      if (!isLast) throw error;
      const record = failedRecord({ id, cell: task.cell }, error, {
        attempts,
        machine: lane.machine,
        now: parts.now(),
      });
      await results.writeFailure(record);
      return {
        record,
        failure: new bullmq.UnrecoverableError(record.status === 'failed' ? record.error : ''),
      };
    }
    await results.write(made);
    return { record: made.record };
  }

  /** Writes a row; waits for a server that is away. */
  async function addRow(record: CellRecord): Promise<void> {
    for (;;) {
      try {
        return await server.rows?.add(record);
      } catch (error) {
        if (!isAway(error)) throw error;
        // The files are written: the job is taken over, and the row is made of them.
        if (signal.aborted) throw signal.reason;
        lost(error);
        await sleep(ROW_RETRY_MS, signal);
      }
    }
  }

  let isLost = false;
  function lost(error: unknown): void {
    if (isLost || signal.aborted) return;
    isLost = true;
    say(`${address.shown} does not answer (${queueReason(address, error)}); waiting for it`);
  }

  const worker = server.worker(queue, (job, token = '') => take(job, token), {
    concurrency,
    ...hold,
    // After a server came back.
    runRetryDelay: 500,
    drainDelay: 5,
  });
  worker.on('error', (error) => {
    if (isAway(error)) lost(error);
  });
  worker.on('active', () => {
    if (isLost) say(`${address.shown} answers again`);
    isLost = false;
  });
  await untilAborted(signal);
  await worker.close();
  return ended;
}

/** @throws Refusal where a newer sgool made the job; an error that nothing helps against where it is broken */
function readJob(data: unknown): CellJob {
  const format = (data as { format?: unknown } | null)?.format;
  if (typeof format === 'number' && format > JOB_FORMAT) {
    throw new Refusal(
      `a newer sgool filled the queue (format ${format}), this one reads up to ${JOB_FORMAT}`,
    );
  }
  const result = cellJobSchema.safeParse(data);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new Refusal(`the queue holds a job that is no cell: ${issue.path.join('.')}: ${issue.message}`);
}

const hasScores = (record: CellRecord, { scores }: CellJob): boolean =>
  record.status === 'done' && Object.keys(scores).every((name) => name in record.scores);

/** The work, or undefined where it was stopped: at once where it notices, else after {@link STOP_MS}. */
async function stoppable<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const over = new AbortController();
  const late = untilAborted(AbortSignal.any([signal, over.signal])).then(async () => {
    if (!over.signal.aborted) await sleep(STOP_MS, over.signal);
    return undefined;
  });
  try {
    return await Promise.race([work, late]);
  } catch (error) {
    if (signal.aborted && error === signal.reason) return undefined;
    throw error;
  } finally {
    over.abort();
    work.catch(() => undefined);
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Waits for a time, or until the signal. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    if (signal?.aborted) done();
    else signal?.addEventListener('abort', done);
  });
}

/** What says that a server is away: refused and broken connections, and a PostgreSQL that stops or starts (class 57P). */
const AWAY_CODES =
  /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|57P0\d|08\d{3}|53300)$/;
const AWAY_TEXT =
  /ECONNREFUSED|Connection terminated|connection is closed|timeout (exceeded|expired)|terminating connection|the database system is|LOADING /i;

/** Whether an error says that a server is away for now. */
export function isAway(error: unknown): boolean {
  const all = error instanceof AggregateError ? error.errors : [error];
  return all.some((one: { code?: string; message?: string } | undefined) => {
    return AWAY_CODES.test(one?.code ?? '') || AWAY_TEXT.test(one?.message ?? '');
  });
}
