import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../../errors.ts';
import { replaceFile, writeFileAtomic } from './atomic-file.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-atomic-'));
});
afterAll(() => rm(dir, { recursive: true }));

describe('writeFileAtomic', () => {
  it('replaces a file and leaves nothing else behind', async () => {
    const path = join(dir, 'a.txt');
    await writeFileAtomic(path, 'old');
    await writeFileAtomic(path, new TextEncoder().encode('new'));
    expect(await readFile(path, 'utf8')).toBe('new');
    expect(await readdir(dir)).toEqual(['a.txt']);
  });

  it('keeps the old file when writing stops half way, and removes the temporary one', async () => {
    const path = join(dir, 'a.txt');
    await writeFileAtomic(path, 'precious');
    const full = Object.assign(new Error('write failed'), { code: 'ENOSPC' });
    const attempt = replaceFile(path, async (file) => {
      await file.writeFile('half');
      throw full;
    });
    await expect(attempt).rejects.toThrow(new UserError(`cannot write ${path}: no space left on the disk`));
    expect(await readFile(path, 'utf8')).toBe('precious');
    expect(await readdir(dir)).toEqual(['a.txt']);
  });

  it('lets an error that is not the disk’s pass unchanged', async () => {
    const bug = new TypeError('bug');
    await expect(replaceFile(join(dir, 'b'), () => Promise.reject(bug))).rejects.toBe(bug);
  });

  it('says in one line what is wrong with the folder', async () => {
    await writeFile(join(dir, 'file'), '');
    await mkdir(join(dir, 'taken/x'), { recursive: true });
    await expect(writeFileAtomic(join(dir, 'no/such'), '')).rejects.toThrow('the folder does not exist');
    await expect(writeFileAtomic(join(dir, 'file/x'), '')).rejects.toThrow('a part of the path is a file');
    await expect(writeFileAtomic(join(dir, 'taken'), '')).rejects.toThrow(
      'a folder of that name is in the way',
    );
    await expect(writeFileAtomic(join(dir, 'x'.repeat(300)), '')).rejects.toThrow('the name is too long');
  });

  it.skipIf(process.getuid?.() === 0 || process.platform === 'win32')('reports a locked folder', async () => {
    const locked = join(dir, 'locked');
    await mkdir(locked);
    await chmod(locked, 0o500);
    await expect(writeFileAtomic(join(locked, 'a'), '')).rejects.toThrow('permission denied');
  });
});
