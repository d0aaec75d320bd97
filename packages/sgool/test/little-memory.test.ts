/** @file Memory of JavaScript that runs out while a run goes on: its thread ends, the process stays and says so. */
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { temporaryFolder } from './toybox-model.ts';

const PROGRAM = fileURLToPath(new URL('hungry-thread.ts', import.meta.url));
const LITTLE = '--max-old-space-size=128';
const ARGUMENTS = [
  ...[LITTLE, '--import', import.meta.resolve('./with-tsx.mjs'), '--conditions', '@sgool/source'],
  PROGRAM,
];

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder?.remove());

it('is one line with what helps, and the record says that the run failed', async () => {
  const record = path.join(folder.dir, 'run.json');
  await writeFile(record, JSON.stringify({ status: 'running', process: { pid: 1 }, prompt: 'a red cat' }));
  const child = spawn(process.execPath, [...ARGUMENTS, record], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  const line =
    'not enough memory for JavaScript; raise its limit (NODE_OPTIONS=--max-old-space-size=<megabytes>)';
  // V8 notes its last collections before it.
  expect(stderr.split('\n').filter((one) => one.startsWith('sgool:'))).toEqual([`sgool: ${line}`]);
  expect(code).toBe(1);
  expect(JSON.parse(await readFile(record, 'utf8'))).toEqual({
    ...{ status: 'failed', prompt: 'a red cat' },
    error: line,
  });
}, 120_000);
