/** @file A program whose thread hears nothing, as during a long call of ONNX Runtime: for signals.test.ts. */
import { spawnSync } from 'node:child_process';
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
    host.onInterrupt(() => {});
    host.stderr.write('blocked\n');
    await new Promise((done) => setTimeout(done, 50));
    spawnSync('sleep', ['30'], { stdio: 'ignore' });
    return 0;
  });
}
