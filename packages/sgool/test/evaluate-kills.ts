/**
 * @file Kills evaluations at random moments and runs them again: each must end with the same files and rows as an undisturbed one.
 *
 * npm run test:kills:evaluate -w sgool -- 50
 */
import { deepStrictEqual } from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { killedRuns } from './killed-runs.ts';

const times = Number(process.argv[2] ?? 50);
const cwd = await mkdtemp(path.join(tmpdir(), 'sgool-kill-'));
try {
  const started = Date.now();
  const options = { times, prompts: 3, random: Math.random };
  let alike = 0;
  const doneAtKill = await killedRuns(cwd, options, (disturbed, undisturbed) => {
    deepStrictEqual(disturbed, undisturbed);
    console.log(`${++alike} of ${times} ended alike`);
  });
  const seconds = Math.round((Date.now() - started) / 1000);
  console.log(`killed with ${doneAtKill.join(', ')} of 6 cells done (${seconds} s)`);
} finally {
  await rm(cwd, { recursive: true, force: true });
}
