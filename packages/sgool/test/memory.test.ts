import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { describeOnToybox } from './toybox-model.ts';

const SCRIPT = fileURLToPath(new URL('./memory.ts', import.meta.url));

describeOnToybox('memory', () => {
  it('peaks no higher for an iteration of 100 EDICT steps than for one of 10', async () => {
    const words = ['--import', import.meta.resolve('tsx'), '--conditions', '@sgool/source', SCRIPT];
    const { stdout } = await promisify(execFile)(process.execPath, words);
    const { bytesAt10Steps, bytesAt100Steps } = JSON.parse(stdout);
    expect(bytesAt100Steps / bytesAt10Steps).toBeLessThan(1.03);
    expect(bytesAt100Steps / bytesAt10Steps).toBeGreaterThan(0.97);
  }, 300_000);
});
