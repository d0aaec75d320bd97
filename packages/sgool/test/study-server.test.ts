/** @file The server of a study as a process: its end loses no vote, and a kill at most the one on its way. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Study } from '../src/evaluate/study/study.ts';
import { fakeStudy, TestRater } from '../src/evaluate/study/testing.ts';
import { VoteFiles } from '../src/evaluate/study/votes.ts';

const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
const ARGUMENTS = ['--import', import.meta.resolve('tsx'), '--conditions', '@sgool/source', MAIN];

let root = '';
let folder = '';
let study: Study;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sgool-study-process-'));
  ({ folder, study } = await fakeStudy(root, { prompts: 10, pairs: 30 }));
});
afterAll(() => rm(root, { recursive: true }));

interface Served {
  readonly child: ChildProcess;
  readonly base: string;
  /** Exit code or signal. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
  stderr(): string;
}

function serve(): Promise<Served> {
  const child = spawn(process.execPath, [...ARGUMENTS, 'study', 'serve', folder, '--port', '0']);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.on('close', (code, signal) => resolve(code ?? signal));
  });
  return new Promise((resolve, reject) => {
    void ended.then((code) => reject(new Error(`ended with ${code}: ${stderr}`)));
    child.stdout.setEncoding('utf8').once('data', (text: string) => {
      resolve({ child, base: text.trim().replace(/\/$/, ''), ended, stderr: () => stderr });
    });
  });
}

/** Raters who answer until the server is gone. @returns the answers that were stored, by rater */
async function rateUntilGone(base: string, count: number, onVote: (stored: number) => void) {
  let stored = 0;
  const raters = await Promise.all(Array.from({ length: count }, () => TestRater.begin(base)));
  const answered = raters.map(async (rater) => {
    const mine: string[] = [];
    for (const { pair } of rater.session.steps) {
      const response = await rater.vote(pair, 'better', 'left').catch(() => undefined);
      if (response?.status !== 200) break;
      mine.push(pair);
      onVote(++stored);
    }
    return { id: rater.session.rater, pairs: mine };
  });
  return Promise.all(answered);
}

it.each([
  ['SIGINT', 0],
  ['SIGTERM', 0],
  ['SIGKILL', 'SIGKILL'],
] as const)('%s in the middle of votes: those that were answered are there', async (signal, code) => {
  const { child, base, ended, stderr } = await serve();
  const raters = await rateUntilGone(base, 5, (stored) => {
    if (stored === 40) child.kill(signal);
  });
  expect(await ended).toBe(code);
  const logs = new Map((await new VoteFiles(folder, study).all()).map((log) => [log.rater.rater, log]));
  for (const { id, pairs } of raters) {
    const found = [...(logs.get(id)?.answers.values() ?? [])].map(({ pair }) => pair);
    expect(found.slice(0, pairs.length)).toEqual(pairs);
    // The one that was on its way may be there as well.
    expect(found.length - pairs.length).toBeLessThanOrEqual(1);
  }
  expect(raters.reduce((total, { pairs }) => total + pairs.length, 0)).toBeGreaterThanOrEqual(40);
  if (signal !== 'SIGKILL') expect(stderr()).toContain('ending; all answers so far are stored');
});
