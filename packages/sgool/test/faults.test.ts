/**
 * @file A disk that fails at any moment. For every writer, every system call that it makes fails once, with every reason: the user
 * reads one line, no file is half under its name, nothing temporary stays, and what was there is still there.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { claimFolder } from '../src/cli/run/output-folder.ts';
import { imageTarget, writeImage } from '../src/cli/run/write-output.ts';
import { fakeHost } from '../src/cli/testing.ts';
import { markText, ownMark, type ProcessMark } from '../src/platform/process-mark.ts';
import { openTensorFile } from '../src/weights/formats/tensor-file.ts';
import { writeSafetensors } from '../src/weights/formats/write-safetensors.ts';
import { pullModel } from '../src/weights/hub/pull.ts';
import { sha256, startHub } from '../src/weights/hub/testing.ts';
import { writeRef } from '../src/weights/hub/write-cache.ts';
import { findAdded } from '../src/weights/open/added.ts';
import { storeAdded } from '../src/weights/open/store-added.ts';
import {
  createFile,
  replaceByLink,
  replaceFile,
  replaceFolder,
  writeFileAtomic,
  writeFileAtomicSync,
} from '../src/weights/sources/atomic-file.ts';
import { emptyFolder, expectLine, runThere, standsFailures, tree, type Writer } from './failing.ts';
import { CALLS, CODES, disk } from './faulty-disk.ts';

vi.mock('node:fs/promises', async (original) =>
  (await import('./faulty-disk.ts')).faultyPromises(await original()),
);
vi.mock('node:fs', async (original) => (await import('./faulty-disk.ts')).faultySync(await original()));

const folder = emptyFolder();

const MARK = { name: 'run.json', content: '{}\n' };
const disc = { width: 8, height: 8, data: new Uint8Array(192).fill(7) };
const env = () => ({ SGOOL_DATA_DIR: join(folder.dir, 'data') });
const file = () => join(folder.dir, 'a.txt');
async function add(value: number) {
  const source = join(folder.dir, 'source.safetensors');
  if (!existsSync(source)) {
    await writeSafetensors(source, {
      old: { dtype: 'F32', shape: [1], data: Float32Array.of(1) },
      new: { dtype: 'F32', shape: [1], data: Float32Array.of(2) },
    });
  }
  const { tensors } = await openTensorFile(source);
  const [name, tensor] = [...tensors][value];
  await storeAdded('hps-v2', { value }, new Map([[name, tensor]]), env(), { 'vocab.txt': String(value) });
}
const cli = (...words: string[]) => runThere(folder.dir, ...words, '--quiet');

const WRITERS: Readonly<Record<string, Writer>> = {
  'a file': {
    of: ['weights/sources/atomic-file.ts'],
    before: () => writeFileAtomic(file(), 'old'),
    write: () => writeFileAtomic(file(), 'new text'),
  },
  'a file that is not flushed': {
    of: ['weights/sources/atomic-file.ts'],
    calls: ['open', 'write', 'close', 'rename'],
    before: () => writeFileAtomic(file(), 'old'),
    write: () => replaceFile(file(), (open) => open.writeFile('new text'), false),
  },
  'a new file': { of: ['weights/sources/atomic-file.ts'], write: () => writeFileAtomic(file(), 'new text') },
  'a file of a process that ends': {
    of: ['weights/sources/atomic-file.ts'],
    before: () => writeFileAtomic(file(), 'old'),
    write: async () => writeFileAtomicSync(file(), 'new text'),
  },
  'a file that nobody else may have': {
    of: ['weights/sources/atomic-file.ts'],
    calls: ['open', 'write', 'fsync', 'close'],
    write: () => createFile(file(), 'new text'),
    isRaw: true,
  },
  'a link': {
    of: ['weights/sources/atomic-file.ts'],
    calls: ['link', 'rename', 'fsync'],
    before: async () => {
      await writeFileAtomic(join(folder.dir, 'blob'), 'bytes');
      await writeFileAtomic(file(), 'old');
    },
    write: () => replaceByLink(file(), join(folder.dir, 'blob')),
  },
  'a folder': {
    of: ['weights/sources/atomic-file.ts'],
    before: () => replaceFolder(join(folder.dir, 'f'), (place) => writeFileAtomic(join(place, 'a'), 'old')),
    write: () =>
      replaceFolder(join(folder.dir, 'f'), (place) => writeFileAtomic(join(place, 'a'), 'new text')),
  },
  'a branch of the cache': {
    of: ['weights/hub/write-cache.ts'],
    before: () => writeRef(folder.dir, 'pr/1', 'a'.repeat(40)),
    write: () => writeRef(folder.dir, 'pr/1', 'b'.repeat(40)),
  },
  weights: {
    of: ['weights/formats/write-safetensors.ts'],
    before: () => writeFileAtomic(join(folder.dir, 'w.safetensors'), 'old'),
    write: () =>
      writeSafetensors(join(folder.dir, 'w.safetensors'), {
        a: { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) },
      }),
  },
  'added weights': {
    of: ['weights/open/store-added.ts', 'weights/hub/lock.ts'],
    before: () => add(0),
    write: () => add(1),
  },
  'the claim of a folder': {
    of: ['cli/run/output-folder.ts'],
    calls: ['mkdir', 'open', 'write', 'close'],
    write: () => claimFolder(join(folder.dir, 'a/b'), MARK),
  },
  'a saliency picture': {
    of: ['cli/run/write-output.ts'],
    before: () => writeFileAtomic(join(folder.dir, 'map.png'), 'old'),
    write: async () =>
      writeImage(await imageTarget(join(folder.dir, 'map.png'), '--out'), disc, fakeHost(folder.dir).stdout),
  },
  'a run': {
    of: ['cli/run/recorder.ts', 'cli/run/state-file.ts', 'cli/run/output-folder.ts'],
    isLong: true,
    write: () =>
      cli('generate', 'a red cat', '--seed', '1', '--out', 'run', '--save-iterations', '--iterations', '1'),
  },
  'a clip': {
    of: ['cli/run/recorder.ts'],
    isLong: true,
    write: () =>
      cli('video', 'a red cat', '--seed', '1', '--out', 'clip', '--frames', '3', '--iterations', '1'),
  },
  'a series': {
    of: ['cli/run/series.ts'],
    isLong: true,
    write: () =>
      cli('generate', 'a red cat', '--seed', '1', '--method', 'sd', '--count', '2', '--out', 'series'),
  },
};

describe.each(Object.entries(WRITERS))('%s', (_, writer) => standsFailures(folder, writer));

describe('one file', () => {
  it.each(CALLS.flatMap((call) => CODES.map((code) => [call, code] as const)))(
    'stands %s failing with %s',
    async (call, code) => {
      for (const write of [
        writeFileAtomic,
        async (path: string, text: string) => writeFileAtomicSync(path, text),
      ]) {
        for (let at = 1; at <= 3; at++) {
          await writeFileAtomic(file(), 'old');
          disk.plan({ call, at, code });
          const error: unknown = await write(file(), 'new text').catch((reason) => reason);
          const { wasHit } = disk;
          disk.plan();
          if (!wasHit) continue;
          expect((error as Error).message).toMatch(/^cannot write .*a\.txt: [a-z, -]+$/);
          expect(['old', 'new text']).toContain(readFileSync(file(), 'utf8'));
          expect(readdirSync(folder.dir)).toEqual(['a.txt']);
        }
      }
    },
  );
});

describe('the order of system calls', () => {
  const calls = () =>
    disk.log.map((line) => line.replace(folder.dir, '').replace(/\/?\.sgool-\S+\.tmp/, '/TEMPORARY'));

  it.each([
    ['writeFileAtomic', writeFileAtomic],
    ['writeFileAtomicSync', async (path: string, text: string) => writeFileAtomicSync(path, text)],
  ])('%s flushes the file before it is renamed, and the folder after that', async (_, write) => {
    disk.plan();
    await write(file(), 'text');
    expect(calls().map((line) => line.trim())).toEqual([
      'open /TEMPORARY',
      'write /TEMPORARY',
      'fsync /TEMPORARY',
      'close /TEMPORARY',
      'rename /a.txt',
      'open',
      'fsync',
      'close',
    ]);
  });

  it('without a flush there is none, and nothing else is different', async () => {
    disk.plan();
    await replaceFile(file(), (open) => open.writeFile('text'), false);
    expect(calls()).toEqual(['open /TEMPORARY', 'write /TEMPORARY', 'close /TEMPORARY', 'rename /a.txt']);
  });

  it('a folder is flushed with its files before it gets its name, and the one above after that', async () => {
    await add(0);
    disk.plan();
    await add(1);
    const kept = calls().filter((line) => /fsync|rename/.test(line) && !line.includes('locks'));
    expect(kept.map((line) => line.replace('/data/weights', '').trim())).toEqual([
      'fsync /TEMPORARY',
      'rename /TEMPORARY/model.safetensors',
      'fsync /TEMPORARY',
      'fsync /TEMPORARY',
      'rename /TEMPORARY/vocab.txt',
      'fsync /TEMPORARY',
      'fsync /TEMPORARY',
      'rename /TEMPORARY/config.json',
      'fsync /TEMPORARY',
      'fsync /TEMPORARY',
      'rename /hps-v2.former',
      'rename /hps-v2',
      'fsync',
    ]);
  });
});

describe('a pull', () => {
  it.each(CALLS)('stands a failure at every %s, and the next one completes it', async (call) => {
    const files = { 'sd.ckpt': 'abc'.repeat(100) };
    const hub = await startHub({ 'some/model': { commit: 'c'.repeat(40), files } });
    const cache = join(folder.dir, 'hub');
    const pull = () =>
      pullModel('some/model', { env: { ...hub.env, HF_HUB_CACHE: cache }, network: { retries: 0 } });
    try {
      for (let at = 1; ; at++) {
        rmSync(cache, { recursive: true, force: true });
        const code = CODES[at % CODES.length];
        disk.plan({ call, at, code });
        const error: unknown = await pull().then(
          () => undefined,
          (reason) => reason,
        );
        const { wasHit } = disk;
        disk.plan();
        if (!wasHit) break;
        const when = `${call} ${at} with ${code}`;
        if (error !== undefined) expectLine(error, when);
        for (const [path, content] of existsSync(cache) ? tree(cache) : []) {
          if (path.endsWith('.sgool-incomplete')) continue;
          expect(path, when).not.toMatch(/\.tmp$|\.old$|\.locks/);
          const whole = path.includes('/refs/') ? 'c'.repeat(40) : files['sd.ckpt'];
          expect(content, `${when}: ${path}`).toBe(whole);
        }
        const { dir: model } = await pull();
        expect(sha256(readFileSync(join(model, 'sd.ckpt')))).toBe(sha256(files['sd.ckpt']));
      }
    } finally {
      await hub.close();
    }
  });
});

describe('what a dead process has left', () => {
  const name = (mark: ProcessMark) => `.sgool-${markText(mark)}-01234567.tmp`;
  const dead = { ...ownMark, pid: 999_999_999 };
  /** A folder into which this process has not written yet, with files of these names. */
  function folderWith(names: readonly string[]): string {
    for (const one of names) mkdirSync(join(folder.dir, 'own', one), { recursive: true });
    return join(folder.dir, 'own');
  }

  it('is removed by the next one that writes into the folder, and nothing else is', async () => {
    // Where the system does not tell when a process started, its number alone keeps the temporary.
    const reused = name({ ...ownMark, start: ownMark.start - 1 });
    const kept = [
      name(ownMark),
      name({ ...dead, machine: '00000000' }),
      '.sgool-notes.tmp',
      `${name(dead)}.txt`,
      `x${name(dead)}`,
      'image.tmp',
      ...(ownMark.start === 0 ? [reused] : []),
    ];
    const folder = folderWith([name(dead), reused, ...kept]);
    await writeFileAtomic(join(folder, 'a.txt'), '');
    expect(readdirSync(folder).sort()).toEqual([...kept, 'a.txt'].sort());
  });

  it('on another machine is removed after a day', async () => {
    const [young, old] = ['.sgool-00000000-1-1-01234567.tmp', '.sgool-00000000-1-1-89abcdef.tmp'];
    const folder = folderWith([young, old]);
    const yesterday = Date.now() / 1000 - 25 * 3600;
    utimesSync(join(folder, old), yesterday, yesterday);
    await writeFileAtomic(join(folder, 'a.txt'), '');
    expect(readdirSync(folder).sort()).toEqual([young, 'a.txt'].sort());
  });
});

it('added weights are found while they are being replaced', async () => {
  await add(0);
  const stored = join(folder.dir, 'data/weights/hps-v2');
  renameSync(stored, `${stored}.former`);
  expect(findAdded('hps-v2', env())).toBe(`${stored}.former`);
  await add(1);
  expect(findAdded('hps-v2', env())).toBe(stored);
  expect(readdirSync(dirname(stored))).toEqual(['hps-v2']);
});

it('of many runs that start at once, each has its own folder', async () => {
  const claimed = await Promise.all(
    Array.from({ length: 8 }, () => claimFolder(join(folder.dir, 'run'), MARK)),
  );
  expect(new Set(claimed.map((one) => one.dir)).size).toBe(8);
});
