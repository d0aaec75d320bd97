/** @file A worker of tests as a process of its own, so that it can be killed. Argument: {@link WorkerArguments} as JSON. */
import type { HoldTimes } from '../cell-job.ts';
import { runWorker } from '../cell-worker.ts';
import { connectQueue } from '../queue-server.ts';
import { readQueueUrl } from '../queue-url.ts';
import { type FakeWorkerOptions, fakeParts } from './fake-cells.ts';

export interface WorkerArguments extends FakeWorkerOptions {
  readonly url: string;
  readonly queue: string;
  readonly hold: HoldTimes;
}

const { url, queue, hold, ...fake } = JSON.parse(process.argv[2]) as WorkerArguments;
const controller = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => controller.abort(new Error('stopped')));
const say = (line: string) => void process.stdout.write(`${line}\n`);
const server = await connectQueue(readQueueUrl(url));
say('ready');
await runWorker(server, fakeParts(fake), {
  queue,
  concurrency: 1,
  signal: controller.signal,
  hold,
  say,
  onTaken: (id) => say(`taken ${id}`),
});
await server.close();
