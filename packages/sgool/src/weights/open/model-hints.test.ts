import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { hintNotes, methodHints } from './model-hints.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-hints-'));
});
afterEach(() => rm(dir, { recursive: true }));

const say = (content: unknown) => writeFile(join(dir, 'sgool.json'), JSON.stringify(content));

it('says nothing where there is no file, or all of it is read', async () => {
  expect(await hintNotes(dir, () => false)).toEqual([]);
  expect(await methodHints(dir)).toEqual({});
  await say({ defaults: { sgool: { steps: 5 } }, networks: { clip: 'beside' } });
  expect(await hintNotes(dir, (name) => name === 'clip')).toEqual([]);
  expect(await methodHints(dir)).toEqual({ sgool: { steps: 5 } });
});

it('names keys that it does not read, and networks that are not where it says', async () => {
  await say({ default: {}, networks: { clip: 'beside', clip_b: 'beside' } });
  expect(await hintNotes(dir, (name) => name === 'clip')).toEqual([
    `${dir}/sgool.json: default is not read; it reads defaults, networks`,
    `${dir}/sgool.json: networks.clip_b: ${join(dir, '..', 'beside', 'clip_b')} is not there, so the model has no clip_b`,
  ]);
});

it('refuses defaults that are no object', async () => {
  await say({ defaults: ['steps'] });
  await expect(methodHints(dir)).rejects.toThrow(
    `${dir}/sgool.json: defaults must be an object of settings by method, got ["steps"]`,
  );
});
