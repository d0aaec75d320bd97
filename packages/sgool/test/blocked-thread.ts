/** @file A program whose thread hears nothing, as during a long call of ONNX Runtime: for signals.test.ts. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { openOutputs } from '../src/cli/terminal/output.ts';
import { inThread, runInThread, type ThreadData } from '../src/cli/thread.ts';
import { markText, ownMark } from '../src/platform/process-mark.ts';

if (isMainThread || !parentPort) {
  const outputs = openOutputs(process);
  const code = await runInThread(new URL(import.meta.url), process.argv.slice(2), outputs);
  process.exitCode = await outputs.finish(code);
} else {
  const { argv, streams } = workerData as ThreadData;
  await inThread(parentPort, { argv, streams }, async (host) => {
    for (const record of argv) {
      host.guard(record);
      // What it is about to write.
      for (const folder of ['.', 'state']) {
        const name = `.sgool-${markText(ownMark)}-0a1b2c3d.tmp`;
        writeFileSync(path.join(path.dirname(record), folder, name), 'half');
      }
    }
    host.onInterrupt(() => {});
    host.stderr.write('blocked\n');
    await new Promise((done) => setTimeout(done, 50));
    spawnSync('sleep', ['30'], { stdio: 'ignore' });
    return 0;
  });
}
