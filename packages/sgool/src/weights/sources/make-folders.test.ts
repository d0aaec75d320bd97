import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeFolders } from './make-folders.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-folders-'));
});
afterEach(() => rm(dir, { recursive: true }));

it('makes what is missing, and gives the first folder that it made', async () => {
  expect(await makeFolders(join(dir, 'a/b/c'))).toBe(join(dir, 'a'));
  expect((await readdir(dir, { recursive: true })).sort()).toEqual([
    'a',
    join('a', 'b'),
    join('a', 'b', 'c'),
  ]);
  expect(await makeFolders(join(dir, 'a/b/d'))).toBe(join(dir, 'a/b/d'));
  expect(await makeFolders(join(dir, 'a/b'))).toBeUndefined();
});

it('of several that make the same at once, all succeed', async () => {
  const deep = join(dir, 'x/y/z');
  const made = await Promise.all([1, 2, 3, 4].map(() => makeFolders(deep)));
  expect(made).toContain(join(dir, 'x'));
  expect(await readdir(join(dir, 'x/y'))).toEqual(['z']);
});

it('refuses a file in the way', async () => {
  await writeFile(join(dir, 'file'), '');
  await expect(makeFolders(join(dir, 'file'))).rejects.toMatchObject({
    code: 'EEXIST',
    path: join(dir, 'file'),
  });
  await expect(makeFolders(join(dir, 'file/below'))).rejects.toMatchObject({ code: 'ENOTDIR' });
});

it.skipIf(process.platform !== 'linux')(
  'ends where the file system says that the folder above is missing',
  async () => {
    await expect(makeFolders('/proc/sgool/a')).rejects.toMatchObject({ code: 'ENOENT' });
  },
);
