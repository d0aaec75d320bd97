import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { discard, PartialFile, sizeOf } from './partial-file.ts';

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-partial-'));
  path = join(dir, 'part');
});
afterEach(() => rm(dir, { recursive: true }));

const bytes = (text: string) => new TextEncoder().encode(text);
async function open() {
  const seen: Uint8Array[] = [];
  const file = await PartialFile.open(path, { onBytes: (chunk) => seen.push(Uint8Array.from(chunk)) });
  return { file, seen: () => Buffer.concat(seen).toString() };
}

it('goes on where it was left, and tells what it holds', async () => {
  const first = await open();
  expect([first.file.bytes, first.seen()]).toEqual([0, '']);
  await first.file.append(bytes('abc'));
  await first.file.append(bytes('de'));
  expect(first.file.bytes).toBe(5);
  await first.file.flush();
  await first.file.close();

  const { file, seen } = await open();
  expect([file.bytes, seen()]).toEqual([5, 'abcde']);
  await file.append(bytes('f'));
  await file.finish(join(dir, 'whole'));
  await file.close();
  expect(await readFile(join(dir, 'whole'), 'utf8')).toBe('abcdef');
  expect(await readdir(dir)).toEqual(['whole']);
});

it('begins anew', async () => {
  await writeFile(path, 'wrong');
  const { file } = await open();
  await file.restart();
  expect(file.bytes).toBe(0);
  await file.append(bytes('ok'));
  await file.close();
  expect(await readFile(path, 'utf8')).toBe('ok');
  await expect(file.append(bytes('closed'))).rejects.toThrow();
});

it('knows whether its name is still its own', async () => {
  const { file } = await open();
  expect(await file.isInPlace()).toBe(true);
  await rm(path);
  expect(await file.isInPlace()).toBe(false);
  await writeFile(path, 'of another process');
  expect(await file.isInPlace()).toBe(false);
  await file.close();
});

it('is read until the user stops it', async () => {
  await writeFile(path, 'x');
  const signal = AbortSignal.abort(new Error('stopped'));
  await expect(PartialFile.open(path, { onBytes: () => undefined, signal })).rejects.toThrow('stopped');
});

it('sizes and removes files that may be missing', async () => {
  expect(await sizeOf(path)).toBe(0);
  await discard(path);
  await writeFile(path, 'four');
  expect(await sizeOf(path)).toBe(4);
  await discard(path);
  expect(await readdir(dir)).toEqual([]);
});
