import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  realpath,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../../errors.ts';
import { markText, ownMark } from '../../platform/process-mark.ts';
import {
  createFile,
  renameDurably,
  replaceByLink,
  replaceFile,
  replaceFolder,
  sweepOwnSync,
  writeFileAtomic,
  writeFileAtomicSync,
} from './atomic-file.ts';
import { formerFolder } from './former-folder.ts';

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

/** An empty folder of its own: each is swept once by a process. */
let count = 0;
async function folder(): Promise<string> {
  const path = join(dir, `folder-${count++}`);
  await mkdir(path);
  return path;
}

describe('writeFileAtomicSync', () => {
  it('replaces a file and leaves nothing else behind', async () => {
    const path = join(await folder(), 'a');
    writeFileAtomicSync(path, 'old');
    writeFileAtomicSync(path, Uint8Array.of(110, 101, 119));
    expect(await readFile(path, 'utf8')).toBe('new');
    expect(await readdir(join(path, '..'))).toEqual(['a']);
  });

  it('flushes the file, and the folder that names it', async () => {
    const path = join(await folder(), 'a');
    const real = fs.fsyncSync;
    const flushed: string[] = [];
    fs.fsyncSync = (file) => {
      flushed.push(fs.fstatSync(file).isDirectory() ? 'folder' : 'file');
      real(file);
    };
    syncBuiltinESMExports();
    try {
      writeFileAtomicSync(path, 'new');
    } finally {
      fs.fsyncSync = real;
      syncBuiltinESMExports();
    }
    expect(flushed).toEqual(process.platform === 'win32' ? ['file'] : ['file', 'folder']);
  });

  it('says what is wrong, and leaves nothing behind', async () => {
    const where = await folder();
    await mkdir(join(where, 'taken/x'), { recursive: true });
    expect(() => writeFileAtomicSync(join(where, 'taken'), '')).toThrow(
      'a folder of that name is in the way',
    );
    expect(() => writeFileAtomicSync(join(where, 'no/such'), '')).toThrow('the folder does not exist');
    expect(await readdir(where)).toEqual(['taken']);
  });
});

describe('createFile', () => {
  it('makes a file once', async () => {
    const path = join(await folder(), 'a');
    expect(await createFile(path, 'first')).toBe(true);
    expect(await createFile(path, 'second')).toBe(false);
    expect(await readFile(path, 'utf8')).toBe('first');
    await expect(createFile(join(path, 'below'), '')).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  it('leaves nothing behind where the content is refused', async () => {
    const path = join(await folder(), 'a');
    await expect(createFile(path, 7 as unknown as string)).rejects.toThrow(TypeError);
    expect(await readdir(join(path, '..'))).toEqual([]);
  });
});

describe('replaceByLink', () => {
  it('makes a relative link, in place of what was there', async () => {
    const where = await folder();
    await mkdir(join(where, 'blobs'));
    await mkdir(join(where, 'names'));
    await writeFile(join(where, 'blobs/x'), 'content');
    await writeFile(join(where, 'names/a'), 'old');
    await replaceByLink(join(where, 'names/a'), join(where, 'blobs/x'));
    expect(await readlink(join(where, 'names/a'))).toBe(join('..', 'blobs', 'x'));
    expect(await readFile(join(where, 'names/a'), 'utf8')).toBe('content');
    expect(await readdir(join(where, 'names'))).toEqual(['a']);
  });

  it('says in one line that the folder is missing', async () => {
    const path = join(await folder(), 'no/a');
    await expect(replaceByLink(path, dir)).rejects.toThrow(`cannot write ${path}: the folder does not exist`);
  });
});

describe('replaceFolder', () => {
  const filled = (path: string, text: string) =>
    replaceFolder(path, (inside) => writeFile(join(inside, 'a'), text));
  const text = (path: string) => readFile(join(path, 'a'), 'utf8');

  it('makes a folder, and replaces it', async () => {
    const path = join(await folder(), 'net');
    await filled(path, 'old');
    expect(await text(path)).toBe('old');
    await filled(path, 'new');
    expect(await text(path)).toBe('new');
    expect(await readdir(join(path, '..'))).toEqual(['net']);
  });

  it('keeps the old folder where the new one cannot be filled', async () => {
    const path = join(await folder(), 'net');
    await filled(path, 'old');
    const bug = new TypeError('bug');
    await expect(replaceFolder(path, () => Promise.reject(bug))).rejects.toBe(bug);
    const full = Object.assign(new Error('write failed'), { code: 'ENOSPC' });
    const refusal = new UserError('cannot write a temporary', { cause: full });
    await expect(replaceFolder(path, () => Promise.reject(refusal))).rejects.toThrow(
      `cannot write ${path}: no space left on the disk`,
    );
    expect(await text(path)).toBe('old');
    expect(await readdir(join(path, '..'))).toEqual(['net']);
  });

  it('finds the old folder where a process was killed between the renames', async () => {
    const path = join(await folder(), 'net');
    await filled(formerFolder(path), 'old');
    await expect(replaceFolder(path, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await text(formerFolder(path))).toBe('old');
    await filled(path, 'new');
    expect(await text(path)).toBe('new');
    expect(await readdir(join(path, '..'))).toEqual(['net']);
  });

  it('removes a former folder that a killed process left beside the new one', async () => {
    const path = join(await folder(), 'net');
    await filled(path, 'new');
    await filled(formerFolder(path), 'former');
    await filled(path, 'newest');
    expect(await text(path)).toBe('newest');
    expect(await readdir(join(path, '..'))).toEqual(['net']);
  });
});

describe('temporaries', () => {
  const name = (mark: string) => `.sgool-${mark}-0123abcd.tmp`;
  /** The mark of a process of this machine that is no more. */
  const dead = () => {
    const { pid } = spawnSync(process.execPath, ['--version']);
    return markText({ ...ownMark, pid, start: 1 });
  };
  const foreign = `${ownMark.machine === '00000000' ? '00000001' : '00000000'}-12-34`;

  it('of dead processes are removed by the next that writes there, those of living ones are not', async () => {
    const where = await folder();
    const kept = [name(markText(ownMark)), name(foreign), '.sgool-x.tmp', `${name(dead())}.txt`];
    for (const one of [...kept, name(dead())]) await writeFile(join(where, one), '');
    await mkdir(join(where, name(dead()).replace('0123', '4567'), 'full'), { recursive: true });
    await writeFileAtomic(join(where, 'a'), '');
    expect((await readdir(where)).sort()).toEqual(['a', ...kept].sort());
  });

  it('of other machines are removed after a day', async () => {
    const where = await folder();
    const path = join(where, name(foreign));
    const hours = (count: number) => Date.now() / 1000 - 3600 * count;
    await writeFile(path, '');
    await utimes(path, hours(25), hours(25));
    const young = path.replace('0123', '4567');
    await writeFile(young, '');
    await utimes(young, hours(23), hours(23));
    await writeFileAtomic(join(where, 'a'), '');
    expect((await readdir(where)).sort()).toEqual([name(foreign).replace('0123', '4567'), 'a'].sort());
  });

  it('are looked for once in a folder', async () => {
    const where = await folder();
    await writeFileAtomic(join(where, 'a'), '');
    await writeFile(join(where, name(dead())), '');
    await writeFileAtomic(join(where, 'a'), '');
    expect(await readdir(where)).toHaveLength(2);
  });

  it('of this process are removed at its end', async () => {
    const where = await folder();
    const own = name(markText(ownMark));
    await mkdir(join(where, own, 'full'), { recursive: true });
    await writeFile(join(where, own.replace('0123', '4567')), '');
    for (const other of [name(foreign), 'a']) await writeFile(join(where, other), '');
    sweepOwnSync(where);
    expect((await readdir(where)).sort()).toEqual([name(foreign), 'a'].sort());
    expect(() => sweepOwnSync(join(where, 'missing'))).not.toThrow();
  });

  it('have the name of their process, and another one each time', async () => {
    const where = await folder();
    const seen: string[] = [];
    for (let i = 0; i < 3; i++) {
      await replaceFile(join(where, 'a'), async () => {
        seen.push(...(await readdir(where)).filter((one) => one !== 'a'));
      });
    }
    expect(new Set(seen).size).toBe(3);
    for (const one of seen) {
      expect(one).toMatch(new RegExp(`^\\.sgool-${markText(ownMark)}-[0-9a-f]{8}\\.tmp$`));
    }
  });
});

it('what is not flushed is written all the same', async () => {
  const path = join(await folder(), 'a');
  await replaceFile(path, (file) => file.writeFile('b'), false);
  expect(await readFile(path, 'utf8')).toBe('b');
});

it('renameDurably renames', async () => {
  const where = await folder();
  await writeFile(join(where, 'a'), 'x');
  await mkdir(join(where, 'b'));
  await renameDurably(join(where, 'a'), join(where, 'b/c'));
  expect(await readFile(join(where, 'b/c'), 'utf8')).toBe('x');
  await expect(renameDurably(join(where, 'a'), join(where, 'd'))).rejects.toMatchObject({ code: 'ENOENT' });
});

it('a link to a folder is a folder to write in', async () => {
  const where = await folder();
  const link = `${where}-link`;
  await symlink(where, link);
  await writeFileAtomic(join(link, 'a'), 'x');
  expect(await realpath(join(link, 'a'))).toBe(await realpath(join(where, 'a')));
  expect((await lstat(join(where, 'a'))).isFile()).toBe(true);
});
