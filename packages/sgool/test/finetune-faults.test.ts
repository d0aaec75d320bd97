/** @file A disk that is full at any moment of a fine-tuning: the user reads one line, and the rest ends with the same weights. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { runCli } from '../src/cli/cli.ts';
import { engine } from '../src/cli/engine.ts';
import { fakeHost } from '../src/cli/testing.ts';
import { writeTinyModel } from '../src/pipeline/testing.ts';
import { emptyFolder, standsFailures } from './failing.ts';
import { disk } from './faulty-disk.ts';

vi.mock('node:fs/promises', async (original) =>
  (await import('./faulty-disk.ts')).faultyPromises(await original()),
);
vi.mock('node:fs', async (original) => (await import('./faulty-disk.ts')).faultySync(await original()));

let dir: string;
let model: Awaited<ReturnType<typeof writeTinyModel>>;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-finetune-faults-'));
  model = await writeTinyModel({ without: ['clip', 'clip_b', 'transalnet'] });
});
afterAll(async () => {
  disk.plan();
  await model.remove();
  await rm(dir, { recursive: true });
});

async function sgool(words: readonly string[]) {
  const host = fakeHost(dir, { engine });
  const code = await runCli(words, host);
  return { code, ...host.written };
}
const train = (out: string) =>
  sgool([
    ...['finetune', 'separate-enhance', 'a cat and a boat', '--model', model.dir, '--out', out],
    ...['--steps', '3', '--batch', '1', '--learning-rate', '1e-2', '--quiet'],
  ]);
const adapter = (out: string) => readFileSync(join(dir, out, 'adapter.safetensors'));

it('is named in one line, and nothing is lost', async () => {
  disk.plan();
  await train('unhurt');
  const writes = disk.log.filter((line) => line.startsWith('write ')).length;
  expect(writes).toBeGreaterThan(6);
  // The first one is that of the record, with which the folder is taken.
  for (const at of [2, Math.ceil(writes / 2), writes - 1, writes]) {
    const out = `full-${at}`;
    disk.plan({ call: 'write', at, code: 'ENOSPC' });
    const { code, stderr } = await train(out);
    expect(disk.wasHit, out).toBe(true);
    expect({ code, lines: stderr.trim().split('\n').length }, stderr).toEqual({ code: 1, lines: 1 });
    expect(stderr).toMatch(/^sgool: cannot write .*the disk is full|no space/);
    disk.plan();
    expect(await sgool(['resume', out, '--quiet']), out).toMatchObject({ code: 0, stderr: '' });
    expect(adapter(out), out).toEqual(adapter('unhurt'));
  }
});

describe('a merged model', () => {
  const folder = emptyFolder();
  const merged = () => join(folder.dir, 'merged');
  standsFailures(folder, {
    of: ['weights/open/merge-adapter.ts', 'weights/formats/write-safetensors.ts'],
    isLong: true,
    calls: ['open', 'write', 'fsync', 'close', 'rename', 'link', 'mkdir'],
    async write() {
      const { code, stderr } = await sgool([
        'adapters',
        'merge',
        'unhurt/adapter.safetensors',
        '--out',
        merged(),
      ]);
      if (code !== 0) throw Object.assign(new Error(stderr), { isLine: true });
    },
  });
});
