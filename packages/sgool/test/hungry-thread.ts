/** @file A program whose thread takes all memory that JavaScript may have: for little-memory.test.ts. */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { openOutputs } from '../src/cli/terminal/output.ts';
import { inThread, runInThread, type ThreadData } from '../src/cli/thread.ts';

if (isMainThread || !parentPort) {
  const outputs = openOutputs(process);
  const code = await runInThread(new URL(import.meta.url), process.argv.slice(2), outputs);
  process.exitCode = await outputs.finish(code);
} else {
  const { argv, streams } = workerData as ThreadData;
  await inThread(parentPort, { argv, streams }, async (host) => {
    for (const record of argv) host.guard(record);
    // The message about the records goes first.
    await new Promise((done) => setTimeout(done, 50));
    const kept: string[][] = [];
    for (;;) kept.push(Array.from({ length: 10_000 }, (_, i) => `${kept.length} ${i}`));
  });
}
