/** @file What a command in a thread reads: the standard input is the main thread's, descriptors of the shell belong to both. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { encodePng } from 'sgool';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { discImage } from '../src/cli/testing.ts';
import { FAKE_ARGUMENTS, runSgool } from './run-sgool.ts';
import { temporaryFolder } from './toybox-model.ts';

const picture = encodePng(discImage(3));
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
  await writeFile(path.join(folder.dir, 'disc.png'), picture);
});
afterAll(() => folder?.remove());

const fake = (words: readonly string[], input: string | Uint8Array = picture) =>
  runSgool(folder.dir, words, { input, program: FAKE_ARGUMENTS });
const record = async (out: string) =>
  JSON.parse(await readFile(path.join(folder.dir, out, 'run.json'), 'utf8'));
const hash = createHash('sha256').update(picture).digest('hex');

it.concurrent.each([
  ['the image', ['refine', '-', 'a cat', '--out', 'image'], 'image'],
  ['a mask', ['refine', 'disc.png', 'a cat', '--mask', '-', '--out', 'mask'], 'maskFile'],
  ['a target image', ['generate', 'a cat', '--target-image', '-:2', '--out', 'target'], 'targetImage'],
  ...(existsSync('/dev/stdin')
    ? ([['/dev/stdin', ['refine', '/dev/stdin', 'a cat', '--out', 'device'], 'image']] as const)
    : []),
] as const)('the standard input is %s', async (_, words, key) => {
  const { code, lines } = await fake(words);
  expect(code, lines.join('\n')).toBe(0);
  const { inputHashes, status } = await record(words[words.length - 1]);
  expect([status, [inputHashes[key]].flat()]).toEqual(['done', [hash]]);
});

it.concurrent('the standard input is the prompts of a series', async () => {
  const words = ['generate', '--prompts', '-', '--seed', '1', '--out', 'series'];
  const { code, stdout } = await fake(words, 'a red cat\na blue boat\n');
  expect([code, stdout.trim().split('\n').length]).toEqual([0, 2]);
});

it.skipIf(!existsSync('/bin/bash'))('a descriptor that the shell has opened', async () => {
  const words = [process.execPath, ...FAKE_ARGUMENTS].map((word) => `'${word}'`).join(' ');
  const line = `${words} refine <(cat disc.png) 'a cat' --out shell`;
  await promisify(execFile)('/bin/bash', ['-c', line], { cwd: folder.dir });
  expect(await record('shell')).toMatchObject({ status: 'done', inputHashes: { image: hash } });
});

it.concurrent.each([
  [
    'a second reader',
    ['refine', '-', 'a cat', '--mask', '-'],
    picture,
    [2, /^sgool: --mask: the standard input is the image already/],
  ],
  ['what is no picture', ['refine', '-', 'a cat'], 'text', [1, /^sgool: .*the standard input/]],
  [
    'more than the most',
    ['generate', '--prompts', '-'],
    'x'.repeat(2 ** 24 + 1),
    [2, /^sgool: --prompts: cannot read the standard input: it has more than 16 MB/],
  ],
] as const)('%s is refused in one line', async (_, words, input, [code, line]) => {
  const ended = await fake(words, input);
  expect([ended.code, ended.stdout, ended.lines.length]).toEqual([code, '', 1]);
  expect(ended.lines[0]).toMatch(line);
});
