/** @file A program whose thread hears nothing, as during a long call of ONNX Runtime: for signals.test.ts. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { markText, ownMark } from '../src/platform/process-mark.ts';
import { threadedProgram } from './threaded-program.ts';

await threadedProgram(import.meta.url, async (host, records) => {
  for (const record of records) {
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
