/** @file `sgool evaluate ... --queue <url>`: the cells of an evaluation as jobs that `sgool worker` takes on many machines. */
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { z } from 'zod';
import { files } from '#platform';
import { UserError } from '../../../errors.ts';
import type { Manifest } from '../../../evaluate/cells/manifest.ts';
import { type PlannedCell, planCells } from '../../../evaluate/cells/plan.ts';
import { EVALUATION_FILES, readManifest } from '../../../evaluate/cells/run-folder.ts';
import {
  cellJobs,
  type JobSetup,
  jobSetupSchema,
  queueOfDevice,
  readQueueName,
} from '../../../evaluate/queue/cell-job.ts';
import {
  fillQueue,
  followQueue,
  gather,
  type QueuedEvaluation,
  type QueueProgress,
  retryOnQueue,
} from '../../../evaluate/queue/evaluate-on-queue.ts';
import { connectQueue } from '../../../evaluate/queue/queue-server.ts';
import { readQueueUrl } from '../../../evaluate/queue/queue-url.ts';
import { folderResults, type Results } from '../../../evaluate/queue/results.ts';
import { isS3, s3Results } from '../../../evaluate/queue/s3-results.ts';
import { syncStore } from '../../../evaluate/run-evaluation.ts';
import { type CellCounts, CellStore } from '../../../evaluate/store/cell-store.ts';
import { parseJson } from '../../../platform/json.ts';
import { SIZE_LIMITS } from '../../../platform/size-limits.ts';
import { writeFileAtomic } from '../../../weights/sources/atomic-file.ts';
import type { Host } from '../../host.ts';
import { formatSeconds, quoteArgument } from '../../terminal/format.ts';
import { usageError } from '../../usage-error.ts';

/** The address of the queue, where the command line does not give it: a process list shows command lines to everyone. */
export const QUEUE_VARIABLE = 'SGOOL_QUEUE';

/** Options of commands that use a queue. */
export interface QueueFlags {
  /** True where it stands without an address. */
  readonly queue?: string | true;
  readonly queueName?: string;
  readonly results?: string;
  readonly detach?: boolean;
}

const QUEUE_OPTION = '--queue [url]';
const QUEUE_TEXT = `server of the queue: redis://, rediss://, valkey:// or postgres:// (default: the variable ${QUEUE_VARIABLE})`;

/** Adds `--queue` to a command about an evaluation that runs on one. */
export const addQueueOption = (command: Command): Command => command.option(QUEUE_OPTION, QUEUE_TEXT);

/** Adds the options of a command that fills a queue. */
export function addQueueOptions(command: Command): Command {
  return command
    .option(QUEUE_OPTION, `let sgool worker run the cells, on many machines; ${QUEUE_TEXT}`)
    .option(
      '--queue-name <name>',
      'queue within the server, named by what its workers need (default: sgool-cpu or sgool-gpu, by --device)',
    )
    .option(
      '--results <place>',
      'where workers write: a folder that all machines share, or s3://bucket/prefix (default: --out)',
    )
    .option(
      '--detach',
      'fill the queue and end; the same command without it follows the cells and gathers them',
    );
}

/** The address of the queue. @throws UserError where none is given */
export function queueAddress(queue: string | true | undefined, { env }: Host) {
  if (typeof queue === 'string') return readQueueUrl(queue);
  const text = env[QUEUE_VARIABLE];
  if (text) return readQueueUrl(text, QUEUE_VARIABLE);
  throw usageError(
    `--queue: give the address of a server, for instance redis://host:6379 or postgres://user@host/database, or set ${QUEUE_VARIABLE}`,
  );
}

/** `<folder>/queue.json`: what the other commands need of an evaluation that runs on a queue. It names no server. */
const QUEUE_FILE = 'queue.json';
const queueFileSchema = z.strictObject({
  format: z.literal(2),
  queue: z.string(),
  setup: jobSetupSchema,
});

/** The files of an evaluation, where its workers write them. @throws UserError where a client is missing */
export async function openResults(place: string, { env }: Host): Promise<Results> {
  return isS3(place) ? s3Results(place, env) : folderResults(place);
}

/** An evaluation that is to be run by workers. */
export interface ToQueue {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly plan: readonly PlannedCell[];
  readonly setup: Omit<JobSetup, 'results'>;
  readonly flags: QueueFlags;
  readonly device: string;
  readonly signal: AbortSignal;
  /** A line that stays. */
  note(text: string): void;
}

/**
 * Fills the queue, and unless it is detached follows the cells to their end and gathers them in the folder.
 *
 * @throws UserError where the server cannot be reached; the signal's reason where it is stopped, the workers go on
 */
export async function runOnQueue(task: ToQueue, host: Host): Promise<CellCounts> {
  const { folder, manifest, plan, flags, signal, note } = task;
  const address = queueAddress(flags.queue, host);
  const name = flags.queueName === undefined ? queueOfDevice(task.device) : readQueueName(flags.queueName);
  const place = flags.results ?? folder;
  const setup = { ...task.setup, results: isS3(place) ? place : resolve(host.cwd, place) };
  const results = await openResults(setup.results, host);
  const server = await connectQueue(address);
  try {
    await results.begin(await files.readBytes(join(folder, EVALUATION_FILES.manifest), SIZE_LIMITS.record));
    await results.check();
    const file = { format: 2, queue: name, setup } satisfies z.input<typeof queueFileSchema>;
    await writeFileAtomic(join(folder, QUEUE_FILE), `${JSON.stringify(file, undefined, 1)}\n`);
    const evaluation: QueuedEvaluation = {
      server,
      queue: server.queue(name),
      jobs: cellJobs(manifest, plan, setup),
      results,
      now: host.now,
    };
    const { added, known } = await fillQueue(evaluation);
    note(`queue ${name} on ${address.shown}: ${added} cells added, ${known} were in it or are done`);
    if (flags.detach !== true) {
      await followQueue(evaluation, {
        signal,
        say: note,
        onProgress: progressLines(name, address.shown, note),
      });
    }
    await gather(evaluation, folder);
    return await indexed(folder, plan, Object.keys(setup.scores));
  } finally {
    await server.close();
    results.close();
  }
}

/** Brings the index up to date with the files. */
async function indexed(
  folder: string,
  plan: readonly PlannedCell[],
  scores: readonly string[],
): Promise<CellCounts> {
  const store = CellStore.open(
    folder,
    plan.map(({ id }) => id),
  );
  try {
    await syncStore(folder, store, scores);
    return store.counts();
  } finally {
    store.close();
  }
}

/** Shortest time between two lines about the progress. */
const LINE_MS = 10_000;

/** Tells how far the queue is: at each change, but not too often. */
function progressLines(queue: string, shown: string, note: (line: string) => void) {
  const started = Date.now();
  let first: number | undefined;
  let told = '';
  let toldAt = Number.NEGATIVE_INFINITY;
  let isWarned = false;
  return ({ total, ended, failed, running, workers }: QueueProgress) => {
    first ??= ended;
    if (workers === 0 && ended < total && !isWarned) {
      isWarned = true;
      note(`no worker listens to ${queue}; start one with: sgool worker --queue ${quoteArgument(shown)}`);
    }
    const pace = (ended - first) / (Date.now() - started);
    const left = pace > 0 && ended < total ? `, ${formatSeconds((total - ended) / pace / 1000)} left` : '';
    const line = `${ended}/${total} cells ended${failed === 0 ? '' : `, ${failed} failed`}, ${running} running, ${workers} ${workers === 1 ? 'worker' : 'workers'}`;
    if (line === told || (Date.now() - toldAt < LINE_MS && ended < total)) return;
    told = line;
    toldAt = Date.now();
    note(`${line}${left}`);
  };
}

/** What is in a queue, for people. */
export interface QueueState {
  readonly name: string;
  readonly server: string;
  readonly waiting: number;
  readonly active: number;
  /** Wait for another attempt. */
  readonly delayed: number;
  readonly failed: number;
  readonly workers: number;
}

/**
 * Opens the queue of an evaluation in a folder, does something with it, and brings folder and index up to date.
 *
 * @throws UserError where the folder was not run on a queue, or that queue is not on the server
 */
async function withQueue<T>(
  folder: string,
  queue: string | true,
  host: Host,
  work: (evaluation: QueuedEvaluation, name: string) => Promise<T>,
): Promise<T> {
  const manifest = await readManifest(folder);
  const text = await files
    .readText(join(folder, QUEUE_FILE), SIZE_LIMITS.settings)
    .catch((error: unknown) => {
      throw new UserError(`${folder}: was not run on a queue; leave out --queue`, { cause: error });
    });
  const { queue: name, setup } = parsed(text, join(folder, QUEUE_FILE));
  const server = await connectQueue(queueAddress(queue, host));
  const results = await openResults(setup.results, host);
  try {
    const names = await server.names();
    if (!names.includes(name)) {
      const there = names.length === 0 ? 'it has none of sgool' : `it has ${names.join(', ')}`;
      throw new UserError(`--queue: ${server.address.shown}: has no queue ${name}; ${there}`);
    }
    const plan = planCells(manifest);
    const jobs = cellJobs(manifest, plan, setup);
    const evaluation = { server, queue: server.queue(name), jobs, results, now: host.now };
    const result = await work(evaluation, name);
    await gather(evaluation, folder);
    await indexed(folder, plan, Object.keys(setup.scores));
    return result;
  } finally {
    await server.close();
    results.close();
  }
}

function parsed(text: string, path: string): z.output<typeof queueFileSchema> {
  try {
    return queueFileSchema.parse(parseJson(text, path));
  } catch (error) {
    throw new UserError(`${path}: cannot be read; the command that filled the queue makes it again`, {
      cause: error,
    });
  }
}

/** Brings an evaluation up to date with its queue. @returns the state of the queue */
export function updateFromQueue(folder: string, queue: string | true, host: Host): Promise<QueueState> {
  return withQueue(folder, queue, host, async ({ server, queue: opened }, name) => {
    const counts = await opened.getJobCounts('waiting', 'active', 'delayed', 'failed');
    const { waiting = 0, active = 0, delayed = 0, failed = 0 } = counts;
    const workers = await opened.getWorkersCount();
    return { name, server: server.address.shown, waiting, active, delayed, failed, workers };
  });
}

/** Puts failed cells into the queue again. @returns how many */
export function retryFailed(folder: string, queue: string | true, all: boolean, host: Host): Promise<number> {
  return withQueue(folder, queue, host, (evaluation) => retryOnQueue(evaluation, folder, all));
}
