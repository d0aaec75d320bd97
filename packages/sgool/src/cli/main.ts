#!/usr/bin/env node
/**
 * @file The binary. It stays light: each command imports the networks and images that it needs. Commands that make images run in a
 * thread, which begins with this file as well; the main thread then reads no more of the command line than its name.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { runsInThread } from './command-table.ts';
import { READER_GONE } from './exit-codes.ts';
import { type Host, processHost } from './host.ts';
import { openOutputs } from './terminal/output.ts';
import { inThread, runInThread, type ThreadData } from './thread.ts';

const run = async (argv: readonly string[], host: Host) => (await import('./cli.ts')).runCli(argv, host);

async function main(argv: readonly string[]): Promise<void> {
  const isThreaded = runsInThread(argv);
  // What a run makes is in its folder, so it goes on without a reader. Other commands have nobody left to work for.
  const outputs = openOutputs(process, isThreaded ? undefined : () => process.exit(READER_GONE));
  const code = isThreaded
    ? await runInThread(new URL(import.meta.url), argv, outputs)
    : await run(argv, processHost(outputs));
  process.exitCode = await outputs.finish(code);
}

if (isMainThread || !parentPort) {
  await main(process.argv.slice(2));
} else {
  const data = workerData as ThreadData;
  await inThread(parentPort, data, (host) => run(data.argv, host));
}
