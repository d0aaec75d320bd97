/**
 * @file `sgool` with the fake model: a real process with a real thread, whose images take no time. SGOOL_FAKE_MS says how long each
 * iteration lasts.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { runCli } from '../src/cli/cli.ts';
import { openOutputs } from '../src/cli/terminal/output.ts';
import { fakeEngine } from '../src/cli/testing.ts';
import { inThread, runInThread, type ThreadData } from '../src/cli/thread.ts';

if (isMainThread || !parentPort) {
  const outputs = openOutputs(process);
  const code = await runInThread(new URL(import.meta.url), process.argv.slice(2), outputs);
  process.exitCode = await outputs.finish(code);
} else {
  const data = workerData as ThreadData;
  const milliseconds = Number(process.env.SGOOL_FAKE_MS ?? 0);
  const engine = fakeEngine({ before: () => wait(milliseconds), scores: [20, 29, 21, 25, 30, 24] });
  await inThread(parentPort, data, (host) => runCli(data.argv, { ...host, loadEngine: async () => engine }));
}
