/** @file kill -9 at a few random moments of a run with the fake model; `npm run test:kills:runs -w sgool` does it at many, with Toybox. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { Generator } from 'sgool';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { killed, undisturbed } from './run-kills.ts';
import { FAKE_ARGUMENTS } from './run-sgool.ts';
import { temporaryFolder } from './toybox-model.ts';

vi.setConfig({ testTimeout: 300_000 });

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder?.remove());

it.concurrent.each([
  ['run', ['generate', 'a red cat', '--seed', '5', '--iterations', '5', '--out', 'out']],
  ['series', ['generate', 'a red cat', '--seed', '5', '--count', '3', '--iterations', '1', '--out', 'out']],
])('a %s that is killed twice ends with the bytes of one that nothing happens to', async (name, words) => {
  const how = { program: FAKE_ARGUMENTS, env: { SGOOL_FAKE_MS: '150' } };
  const root = path.join(folder.dir, name);
  await mkdir(root);
  const whole = await undisturbed(words, root, how);
  const seed = Date.now() % 1e6;
  const shares = new Generator(seed).rand([2]);
  const moments = Array.from(shares, (share) => Math.round((0.5 + 0.5 * share) * whole.milliseconds));
  expect(await killed(words, moments, root, how), `seed ${seed}`).toEqual(whole.content);
});
