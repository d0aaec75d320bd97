import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { verifyFiles } from './verify.ts';

const content = 'the weights';
const sha256 = createHash('sha256').update(content).digest('hex');
const ofGit = createHash('sha1').update(`blob ${content.length}\0${content}`).digest('hex');
const other = '0'.repeat(64);

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-verify-'));
  await mkdir(join(dir, 'blobs'));
  await mkdir(join(dir, 'model/unet'), { recursive: true });
  for (const name of [sha256, ofGit, other]) await writeFile(join(dir, 'blobs', name), content);
  const links = { 'a.bin': sha256, 'b.json': ofGit, 'unet/c.bin': other, 'unet/d.bin': '1'.repeat(64) };
  for (const [name, blob] of Object.entries(links)) {
    const up = name.includes('/') ? '../..' : '..';
    await symlink(join(up, 'blobs', blob), join(dir, 'model', name));
  }
  await writeFile(join(dir, 'model/unet/e.txt'), 'another text');
});
afterAll(() => rm(dir, { recursive: true }));

it('compares every file with the hash that names its blob', async () => {
  const progress: [number, number][] = [];
  const checks = await verifyFiles(join(dir, 'model'), {
    onProgress: (...state) => void progress.push(state),
  });
  const hash = createHash('sha256').update('another text').digest('hex');
  expect(checks).toEqual([
    { path: 'a.bin', file: join(dir, 'blobs', sha256), size: 11, state: 'ok', hash: sha256 },
    { path: 'b.json', file: join(dir, 'blobs', ofGit), size: 11, state: 'ok', hash: ofGit },
    {
      path: 'unet/c.bin',
      file: join(dir, 'blobs', other),
      size: 11,
      state: 'wrong',
      hash: sha256,
      expected: other,
    },
    { path: 'unet/d.bin', file: join(dir, 'blobs', '1'.repeat(64)), size: 0, state: 'missing' },
    { path: 'unet/e.txt', file: join(dir, 'model/unet/e.txt'), size: 12, state: 'unknown', hash },
  ]);
  expect(progress).toEqual([
    [11, 45],
    [22, 45],
    [33, 45],
    [45, 45],
  ]);
});

it('takes a single file, and stops when it is told to', async () => {
  const path = join(dir, 'model/a.bin');
  expect(await verifyFiles(path)).toMatchObject([{ path: 'a.bin', state: 'ok' }]);
  await expect(verifyFiles(path, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow(
    'enough',
  );
});
