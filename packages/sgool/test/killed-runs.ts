/** @file Evaluations that are killed at random moments and run again, compared with one that nobody disturbed. */
import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { DatabaseSync } from '@photostructure/sqlite';
import { runSgool } from './run-sgool.ts';

const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
const ARGUMENTS = ['--import', import.meta.resolve('tsx'), '--conditions', '@sgool/source', MAIN];

/** Cells of two methods on a few prompts, each in about a tenth of a second. */
export const evaluation = (out: string, prompts: number): string[] => [
  ...['evaluate', '--suite', 'toybox', '--limit', String(prompts), '--out', out],
  ...['--variant', 'plain: sd steps=2', '--variant', 'guided: sgool steps=2 iterations=1', '--no-equal-cost'],
];

/** Everything that an evaluation has left, without times: files by their names, and rows of the index. */
export async function traces(folder: string): Promise<Record<string, unknown>> {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true }))
    // SQLite's own files beside the index go when the last process that read it has ended, this one included.
    .filter((entry) => entry.isFile() && !/sqlite-(wal|shm)$/.test(entry.name))
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .toSorted();
  const traces: Record<string, unknown> = { names };
  for (const name of names) {
    const file = await readFile(path.join(folder, name));
    if (name.endsWith('.png')) traces[name] = file.toString('base64');
    else if (name.endsWith('.json')) traces[name] = withoutTimes(JSON.parse(file.toString('utf8')), folder);
  }
  const database = new DatabaseSync(path.join(folder, 'index.sqlite'));
  traces.cells = database.prepare('SELECT * FROM cells ORDER BY id').all();
  traces.workers = database.prepare('SELECT * FROM workers').all();
  database.close();
  return traces;
}

function withoutTimes(value: unknown, folder: string): unknown {
  const text = JSON.stringify(value, (key, item: unknown) =>
    ['seconds', 'finished', 'created'].includes(key) ? undefined : item,
  );
  return JSON.parse(text.replaceAll(path.basename(folder), 'the folder'));
}

/** About the time of a cell, in milliseconds. */
const CELL_MS = 150;

/** A moment in the life of an evaluation. */
interface Moment {
  /** Cells that are done; for 0 the wait begins with the process. */
  readonly cells: number;
  /** Milliseconds after that. */
  readonly wait: number;
}

/** Starts an evaluation, and kills it at that moment. */
function killAt(
  cwd: string,
  words: readonly string[],
  { cells, wait }: Moment,
): Promise<{ readonly wasKilled: boolean }> {
  const child = spawn(process.execPath, [...ARGUMENTS, ...words], {
    cwd,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const arm = () => {
    timer ??= setTimeout(() => child.kill('SIGKILL'), wait);
  };
  if (cells === 0) arm();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    if (stderr.includes(`sgool: ${cells}/`)) arm();
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (_, signal) => {
      clearTimeout(timer);
      resolve({ wasKilled: signal === 'SIGKILL' });
    });
  });
}

/**
 * Kills `times` evaluations, each at another moment of its life, lets the same command finish, and compares.
 *
 * @param random numbers in [0, 1)
 * @param compare called with what the disturbed and the undisturbed evaluation have left
 * @returns at each kill, how many cells were done
 */
export async function killedRuns(
  cwd: string,
  { times, prompts, random }: { times: number; prompts: number; random: () => number },
  compare: (disturbed: unknown, undisturbed: unknown) => void,
): Promise<number[]> {
  const total = 2 * prompts;
  const started = performance.now();
  const first = await runSgool(cwd, evaluation('undisturbed', prompts));
  if (first.code !== 0) throw new Error(`the undisturbed run failed: ${first.lines.join('\n')}`);
  const life = performance.now() - started;
  const undisturbed = await traces(path.join(cwd, 'undisturbed'));
  const doneAtKill: number[] = [];
  for (let i = 0; doneAtKill.length < times; i++) {
    const out = `killed-${i}`;
    const cells = Math.floor(random() * total);
    // Before the first cell: from the start of the process on, most of which is loading.
    const wait = random() * (cells === 0 ? life / 2 : CELL_MS);
    const { wasKilled } = await killAt(cwd, evaluation(out, prompts), { cells, wait });
    // It was quicker than its killer.
    if (!wasKilled) continue;
    doneAtKill.push(await recordsIn(path.join(cwd, out)));
    const again = await runSgool(cwd, evaluation(out, prompts));
    if (again.code !== 0) throw new Error(`the second run failed: ${again.lines.join('\n')}`);
    compare(await traces(path.join(cwd, out)), undisturbed);
  }
  return doneAtKill;
}

async function recordsIn(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  return names.filter((name) => /[0-9a-f]{64}\.json$/.test(name)).length;
}
