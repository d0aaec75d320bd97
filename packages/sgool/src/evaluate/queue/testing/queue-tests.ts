/** @file What holds on every server that keeps queues: tests with real servers and real processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../../testing.ts';
import { failedRecord } from '../../cells/failure.ts';
import { readEvaluation } from '../../cells/run-folder.ts';
import { removeRecord, writeCell } from '../../cells/write-cell.ts';
import type { HoldTimes } from '../cell-job.ts';
import { runWorker } from '../cell-worker.ts';
import { fillQueue, followQueue, gather, type QueuedEvaluation, retryOnQueue } from '../evaluate-on-queue.ts';
import { connectQueue, type QueueServer } from '../queue-server.ts';
import { type QueueEngine, readQueueUrl } from '../queue-url.ts';
import { folderResults } from '../results.ts';
import {
  type FakeQueueEvaluation,
  type FakeWorkerOptions,
  fakeCell,
  fakeParts,
  fakePlan,
} from './fake-cells.ts';
import { freePort, MISSING, PASSWORD, type TestServer } from './servers.ts';
import type { WorkerArguments } from './worker-process.ts';

const WORKER = fileURLToPath(new URL('worker-process.ts', import.meta.url));
/** Short, so that jobs of killed workers are taken over within the test. */
const HOLD: HoldTimes = { lockDuration: 2000, stalledInterval: 600, maxStalledCount: 20 };

const folders: string[] = [];
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sgool-queue-'));
  folders.push(folder);
  return folder;
}
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** What one machine would have written. */
async function onOneMachine(prompts: number) {
  const folder = newFolder();
  const { plan } = await fakePlan(folder, prompts);
  for (const { id, cell } of plan) await writeCell(folder, fakeCell(id, cell));
  return (await readEvaluation(folder)).cells.map(({ record }) => record);
}

/** A worker as a process. */
function startWorker(options: WorkerArguments) {
  const child: ChildProcess = spawn(
    process.execPath,
    ['--import', 'tsx', '--conditions', '@sgool/source', WORKER, JSON.stringify(options)],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  const seen = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (pattern.test(output)) resolve();
      };
      child.stdout?.on('data', look);
      child.on('exit', () => reject(new Error(`the worker ended: ${output}`)));
      look();
    });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const exit = new Promise<number | null>((resolve) => child.on('exit', (code) => resolve(code)));
  return { child, seen, exit, output: () => output };
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The tests, on a server that `start` starts; skipped where its programs are not installed. */
export function queueTests(
  engine: QueueEngine,
  start: () => Promise<TestServer>,
  missing: string | undefined = MISSING[engine],
): void {
  describe.skipIf(missing !== undefined)(
    `on ${engine}${missing === undefined ? '' : ` (skipped: ${missing})`}`,
    () => {
      let machine: TestServer;
      let server: QueueServer;
      let count = 0;
      const workers: { stop(): Promise<void>; readonly lines: string[] }[] = [];

      beforeAll(async () => {
        machine = await start();
        server = await connectQueue(readQueueUrl(machine.url));
      });
      afterEach(async () => {
        for (const worker of workers.splice(0)) await worker.stop();
      });
      afterAll(async () => {
        await server?.close();
        await machine?.stop();
      });

      async function newEvaluation(
        prompts: number,
      ): Promise<QueuedEvaluation & FakeQueueEvaluation & { folder: string; name: string }> {
        const folder = newFolder();
        const name = `sgool-test-${++count}`;
        const planned = await fakePlan(folder, prompts);
        // Cells are known by their ids alone: each test has a queue of its own.
        const queue = server.queue(name);
        return {
          ...planned,
          folder,
          name,
          server,
          queue,
          results: folderResults(folder),
          now: () => new Date(0),
          backoff: 50,
        };
      }

      /** A worker in this process. */
      function work(queue: string, options: FakeWorkerOptions & { longestPause?: number } = {}) {
        const controller = new AbortController();
        const lines: string[] = [];
        const { longestPause = 200, ...fake } = options;
        let taken = () => {};
        const firstTaken = new Promise<void>((resolve) => {
          taken = resolve;
        });
        const done = connectQueue(readQueueUrl(machine.url)).then(async (own) => {
          const ended = await runWorker(own, fakeParts(fake), {
            queue,
            concurrency: 1,
            signal: controller.signal,
            hold: HOLD,
            longestPause,
            say: (line) => lines.push(line),
            onTaken: () => taken(),
          });
          await own.close();
          return ended;
        });
        let isStopped = false;
        const worker = {
          lines,
          done,
          /** It has taken its first cell. */
          firstTaken,
          async stop() {
            if (!isStopped) controller.abort(new Error('stopped'));
            isStopped = true;
            await done;
          },
        };
        workers.push(worker);
        return worker;
      }

      const follow = (evaluation: QueuedEvaluation, lines: string[] = []) =>
        followQueue(evaluation, {
          // Far more than it takes, for machines that do much else.
          signal: AbortSignal.timeout(150_000),
          interval: 50,
          say: (line) => lines.push(line),
        });

      const records = async (folder: string) =>
        (await readEvaluation(folder)).cells.map(({ record }) => record);

      async function rows(ids: readonly string[]) {
        const client = new pg.Client({ connectionString: machine.url });
        await client.connect();
        const found = await client.query<{
          id: string;
          record: { status: string };
          scores: unknown;
          status: string;
        }>('SELECT id, status, scores, record FROM sgool.cells WHERE id = ANY($1) ORDER BY id', [ids]);
        await client.end();
        return found.rows;
      }

      test('two workers, one killed every second: every cell once, exactly the rows of one machine', async () => {
        const evaluation = await newEvaluation(16);
        const { folder, name, plan } = evaluation;
        const log = join(folder, 'made.log');
        const options = { url: machine.url, queue: name, hold: HOLD, milliseconds: 70, log };
        await fillQueue(evaluation);
        const steady = startWorker(options);
        let kills = 0;
        let isOver = false;
        const followed = follow(evaluation);
        const killing = (async () => {
          while (!isOver) {
            const victim = startWorker(options);
            // At the end there is nothing left to take.
            await Promise.race([victim.seen(/taken/).catch(() => undefined), followed]);
            await Promise.race([pause(700), followed]);
            victim.child.kill('SIGKILL');
            await victim.exit;
            kills++;
          }
        })();
        await followed;
        isOver = true;
        await killing;
        steady.child.kill('SIGTERM');
        expect(await steady.exit, steady.output()).toBe(0);
        expect(kills).toBeGreaterThanOrEqual(2);
        await gather(evaluation, folder);
        expect(await records(folder)).toEqual(await onOneMachine(16));
        const made = readFileSync(log, 'utf8')
          .trim()
          .split('\n')
          .map((line) => line.split(' '));
        expect(new Set(made.map(([id]) => id))).toEqual(new Set(plan.map(({ id }) => id)));
        // Both of them worked, and only what a kill interrupted was made again.
        expect(new Set(made.map(([, pid]) => pid)).size).toBeGreaterThan(1);
        expect(made.length - plan.length).toBeLessThanOrEqual(kills);
        const counts = await evaluation.queue.getJobCounts(
          'completed',
          'failed',
          'waiting',
          'active',
          'delayed',
        );
        expect(counts).toEqual({ completed: plan.length, failed: 0, waiting: 0, active: 0, delayed: 0 });
        if (engine === 'postgres') {
          const ids = plan.map(({ id }) => id).toSorted();
          const found = await rows(ids);
          expect(found.map(({ id }) => id)).toEqual(ids);
          const expected = new Map((await records(folder)).map((record) => [record?.id, record]));
          expect(found.map(({ record }) => record)).toEqual(ids.map((id) => expected.get(id)));
        }
      });

      test('a worker and the command wait for a server that goes away, and go on', async () => {
        const evaluation = await newEvaluation(8);
        await fillQueue(evaluation);
        const worker = work(evaluation.name, { milliseconds: 200 });
        const lines: string[] = [];
        const followed = follow(evaluation, lines);
        await worker.firstTaken;
        await machine.down();
        await pause(1500);
        await machine.up();
        await followed;
        await gather(evaluation, evaluation.folder);
        expect(await records(evaluation.folder)).toEqual(await onOneMachine(8));
        await worker.stop();
        expect(worker.lines.filter((line) => line.includes('does not answer'))).toHaveLength(1);
        expect(worker.lines.at(-1)).toMatch(/answers again$/);
        expect([...lines, ...worker.lines].join()).not.toContain(PASSWORD);
      });

      test('filling again adds nothing; a cell whose files are gone is added again', async () => {
        const evaluation = await newEvaluation(2);
        const { plan, folder, name } = evaluation;
        expect(await fillQueue(evaluation)).toEqual({ added: 6, known: 0 });
        expect(await fillQueue(evaluation)).toEqual({ added: 0, known: 6 });
        work(name);
        await follow(evaluation);
        expect(await fillQueue(evaluation)).toEqual({ added: 0, known: 6 });
        await removeRecord(folder, plan[3].id);
        expect(await fillQueue(evaluation)).toEqual({ added: 1, known: 5 });
        await follow(evaluation);
        expect(await records(folder)).toEqual(await onOneMachine(2));
      });

      test('failures: what cannot help is not tried again, the rest three times; retry lets them run again', async () => {
        const evaluation = await newEvaluation(4);
        const { folder, name, plan } = evaluation;
        const log = join(folder, 'made.log');
        await fillQueue(evaluation);
        const sick = work(name, { log, failures: { '<1>': 'wrong', '<2>': 'memory', '<3>': 'busy' } });
        await follow(evaluation);
        await gather(evaluation, folder);
        const made = readFileSync(log, 'utf8').trim().split('\n');
        const tries = (part: string) =>
          plan
            .filter(({ cell }) => cell.prompt.includes(part))
            .map(({ id }) => made.filter((line) => line.startsWith(id)).length);
        expect(['<1>', '<2>', '<3>', '<4>'].map(tries)).toEqual([
          [1, 1, 1],
          [1, 1, 1],
          [3, 3, 3],
          [1, 1, 1],
        ]);
        const seen = (await readEvaluation(folder)).cells.map(({ record }) =>
          record?.status === 'failed' ? [record.error, record.retry, record.attempts] : record?.status,
        );
        expect([seen[0], seen[3], seen[6], seen[9]]).toEqual([
          ['steps: not usable, got 0; give a whole number from 1 up to 1000', false, 1],
          ['Error: std::bad_alloc: out of memory', false, 1],
          ['Error: the device is busy', true, 3],
          'done',
        ]);
        expect(await fillQueue(evaluation)).toEqual({ added: 0, known: 12 });
        await sick.stop();

        work(name);
        expect(await retryOnQueue(evaluation, folder, false)).toBe(3);
        await follow(evaluation);
        expect((await records(folder)).filter((record) => record?.status === 'failed')).toHaveLength(6);
        expect(await retryOnQueue(evaluation, folder, true)).toBe(6);
        await follow(evaluation);
        await gather(evaluation, folder);
        expect(await records(folder)).toEqual(await onOneMachine(4));
        if (engine === 'postgres') {
          const found = await rows(plan.map(({ id }) => id));
          expect(found.map(({ status }) => status)).toEqual(Array.from({ length: 12 }, () => 'done'));
        }
      });

      test('a worker with another model leaves the cells to others, in one line', async () => {
        const evaluation = await newEvaluation(3);
        await fillQueue(evaluation);
        const other = work(evaluation.name, { model: 'e'.repeat(64) });
        await until(() => other.lines.length > 0, 'a line of the other worker');
        work(evaluation.name);
        await follow(evaluation);
        expect(await records(evaluation.folder)).toEqual(await onOneMachine(3));
        await other.stop();
        expect(other.lines).toEqual([
          'model toybox: is another one here; its cells are left to other workers',
        ]);
        expect(await other.done).toBe(0);
        expect(await evaluation.queue.getJobCounts('failed')).toEqual({ failed: 0 });
      });

      test('SIGTERM gives the cell in work back at once, as if it was not begun', async () => {
        const evaluation = await newEvaluation(1);
        const { name, queue, plan } = evaluation;
        await fillQueue(evaluation);
        const worker = startWorker({ url: machine.url, queue: name, hold: HOLD, milliseconds: 60_000 });
        await worker.seen(/taken/);
        worker.child.kill('SIGTERM');
        expect(await worker.exit, worker.output()).toBe(0);
        expect(await queue.getJobCounts('waiting', 'active', 'delayed', 'failed')).toEqual({
          waiting: plan.length,
          active: 0,
          delayed: 0,
          failed: 0,
        });
        for (const { id } of plan) expect((await queue.getJob(id))?.attemptsMade).toBe(0);
      });

      test.skipIf(engine === 'redis')('a row stays as it is, except that of a failure', async () => {
        const { plan } = await newEvaluation(1);
        const [{ id, cell }] = plan;
        const { record } = fakeCell(id.replace(/^../, 'ff'), cell);
        const parts = { attempts: 1, machine: 'fake', now: new Date(0) };
        const failed = failedRecord({ id: record.id, cell }, new Error('busy'), parts);
        const seen: string[] = [];
        for (const next of [failed, record, failed, { ...record, machine: 'another' }]) {
          await server.rows?.add(next);
          const [row] = await rows([record.id]);
          seen.push(`${row.status} ${JSON.stringify(row.scores)?.length > 4 ? 'scored' : 'not scored'}`);
          if (next !== failed) expect(row.record).toEqual(record);
        }
        expect(seen).toEqual(['failed not scored', 'done scored', 'done scored', 'done scored']);
      });

      test('a cell that waits for another folder is named', async () => {
        const evaluation = await newEvaluation(1);
        await fillQueue(evaluation);
        const other = newFolder();
        const second = { ...evaluation, ...(await fakePlan(other, 1)), results: folderResults(other) };
        await expect(fillQueue(second)).rejects.toThrow(
          `waits there already for ${evaluation.folder}; let that evaluation end, or use the same folder`,
        );
      });

      test('a wrong password, a closed port and a server without TLS are one line without the password', async () => {
        const port = new URL(machine.url).port;
        const closed = await freePort();
        const cases: [string, RegExp][] = [
          [machine.url.replace(encodeURIComponent(PASSWORD), 'wr0ng'), /password|WRONGPASS/],
          [machine.url.replace(port, String(closed)), /ECONNREFUSED/],
          [
            engine === 'redis' ? machine.url.replace('://', 's://') : `${machine.url}?sslmode=verify-full`,
            engine === 'redis'
              ? /does it speak with TLS at this port\?/
              : /it does not speak TLS there: leave TLS out, or give the port that has it$/,
          ],
        ];
        for (const [url, reason] of cases) {
          const error = await connectQueue(readQueueUrl(url)).catch((failure: unknown) => failure as Error);
          expect(error).toMatchObject({ name: 'UserError', message: expect.stringMatching(reason) });
          const text = JSON.stringify([
            error,
            (error as Error).message,
            (error as Error).stack,
            (error as Error).cause,
          ]);
          expect(text).not.toMatch(/wr0ng|s3cret/);
          expect((error as Error).message).toMatch(
            /^--queue: (valkeys?|rediss?|postgres):\/\/[^\n]*:\*\*\*@[^\n]*; [^\n]*$/,
          );
        }
      });
    },
  );
}
