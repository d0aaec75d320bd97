/** @file Signals at a process whose computation cannot be interrupted. */
import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { temporaryFolder } from './toybox-model.ts';

vi.setConfig({ testTimeout: 60_000 });

const PROGRAM = fileURLToPath(new URL('blocked-thread.ts', import.meta.url));
const ARGUMENTS = [
  '--import',
  import.meta.resolve('./with-tsx.mjs'),
  '--conditions',
  '@sgool/source',
  PROGRAM,
];
const NUMBERS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder?.remove());

/** Sends signals to a run in the middle of a computation, and waits for the end of its process. */
async function stopped(name: string, signals: readonly (keyof typeof NUMBERS)[]) {
  const dir = path.join(folder.dir, name);
  await mkdir(path.join(dir, 'state'), { recursive: true });
  const record = path.join(dir, 'run.json');
  await writeFile(record, JSON.stringify({ status: 'running', process: { pid: 1 }, prompt: 'a red cat' }));
  const child = spawn(process.execPath, [...ARGUMENTS, record], { stdio: ['ignore', 'ignore', 'pipe'] });
  let [stderr, since] = ['', 0];
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    if (since > 0 || !stderr.includes('blocked')) return;
    since = performance.now();
    // One after the other: signals that arrive at the same moment are one.
    for (const [i, signal] of signals.entries()) setTimeout(() => child.kill(signal), 300 + 300 * i);
  });
  const status = await new Promise<number | null>((resolve) => {
    // As a shell shows it.
    child.on('close', (code, by) => resolve(by === null ? code : 128 + NUMBERS[by as keyof typeof NUMBERS]));
  });
  const seconds = (performance.now() - since) / 1000;
  const left = [...(await readdir(dir)), ...(await readdir(path.join(dir, 'state')))].sort();
  return { status, seconds, stderr, left, record: JSON.parse(await readFile(record, 'utf8')) };
}

it.concurrent.each<[string, (keyof typeof NUMBERS)[], number]>([
  ['SIGTERM', ['SIGTERM'], 143],
  ['SIGHUP', ['SIGHUP'], 129],
  ['Ctrl-C twice', ['SIGINT', 'SIGINT'], 130],
  ['SIGTERM after Ctrl-C', ['SIGINT', 'SIGTERM'], 130],
])('%s ends it within ten seconds, with its record finished', async (name, signals, code) => {
  const { status, seconds, stderr, left, record } = await stopped(name, signals);
  expect(status).toBe(code);
  expect(seconds).toBeLessThan(10);
  expect(record).toEqual({ status: 'stopped', prompt: 'a red cat' });
  expect(left).toEqual(['run.json', 'state']);
  expect(stderr).toContain('sgool: stopped in the middle of a computation');
});
