/**
 * @file A disk that fails at any moment. For every writer, every system call that it makes fails once, with every reason: the user
 * reads one line, no file is half under its name, nothing temporary stays, and what was there is still there.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { claimFolder } from '../src/cli/run/output-folder.ts';
import { imageTarget, writeImage } from '../src/cli/run/write-output.ts';
import { fakeHost, runOnFakes } from '../src/cli/testing.ts';
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
import { CALLS, type Call, CODES, disk } from './faulty-disk.ts';

vi.mock('node:fs/promises', async (original) =>
  (await import('./faulty-disk.ts')).faultyPromises(await original()),
);
vi.mock('node:fs', async (original) => (await import('./faulty-disk.ts')).faultySync(await original()));

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sgool-faults-'));
});
afterEach(() => {
  disk.plan();
  rmSync(dir, { recursive: true, force: true });
});

/** The content of every file below a folder, by path; links are followed. */
function tree(folder: string, prefix = ''): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (lstatSync(path).isDirectory())
      for (const entry of tree(path, `${prefix}${name}/`)) found.set(...entry);
    else found.set(prefix + name, existsSync(path) ? readFileSync(path, 'latin1') : '(a link to nowhere)');
  }
  return found;
}

/** Whether a file that holds other content each time is whole, as its ending says. */
function isWhole(path: string, content: string): boolean {
  if (path.endsWith('.png')) return content.endsWith('IEND\xaeB`\x82');
  if (path.endsWith('.webp')) return Buffer.from(content, 'latin1').readUInt32LE(4) + 8 === content.length;
  if (path.endsWith('.safetensors')) return isWholeState(content);
  if (!path.endsWith('.json')) return false;
  try {
    JSON.parse(content);
    return content.endsWith('}\n');
  } catch {
    return false;
  }
}

/** Whether a file of a run's state, as latin1, has all the bytes that its header names. */
function isWholeState(content: string): boolean {
  const header = Number(Buffer.from(content.slice(0, 8), 'latin1').readBigUInt64LE());
  const { __metadata__: _, ...tensors } = JSON.parse(content.slice(8, 8 + header)) as Record<
    string,
    { data_offsets: [number, number] }
  >;
  const ends = Object.values(tensors).map(({ data_offsets: [, end] }) => end);
  return content.length === 8 + header + Math.max(0, ...ends);
}

interface Writer {
  /** What is there before. */
  readonly before?: () => Promise<unknown>;
  /** Writes into `dir`. */
  readonly write: () => Promise<unknown>;
  /** It makes many calls: the first, the fourth, the thirteenth fail, and so on. */
  readonly isLong?: boolean;
  /** The error need not be a line yet: the callers make one of it. */
  readonly isRaw?: boolean;
}

const MARK = { name: 'run.json', content: '{}\n' };
const disc = { width: 8, height: 8, data: new Uint8Array(192).fill(7) };
const env = () => ({ SGOOL_DATA_DIR: join(dir, 'data') });
const file = () => join(dir, 'a.txt');
async function add(value: number) {
  const source = join(dir, 'source.safetensors');
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
const cli = async (...words: string[]) => {
  const { code, stderr } = await runOnFakes(dir, [...words, '--quiet'], { fake: { moves: true } });
  if (code !== 0) throw Object.assign(new Error(stderr), { isLine: true });
};

const WRITERS: Readonly<Record<string, Writer>> = {
  'a file': {
    before: () => writeFileAtomic(file(), 'old'),
    write: () => writeFileAtomic(file(), 'new text'),
  },
  'a file that is not flushed': {
    before: () => writeFileAtomic(file(), 'old'),
    write: () => replaceFile(file(), (open) => open.writeFile('new text'), false),
  },
  'a new file': { write: () => writeFileAtomic(file(), 'new text') },
  'a file of a process that ends': {
    before: () => writeFileAtomic(file(), 'old'),
    write: async () => writeFileAtomicSync(file(), 'new text'),
  },
  'a file that nobody else may have': { write: () => createFile(file(), 'new text'), isRaw: true },
  'a link': {
    before: async () => {
      await writeFileAtomic(join(dir, 'blob'), 'bytes');
      await writeFileAtomic(file(), 'old');
    },
    write: () => replaceByLink(file(), join(dir, 'blob')),
  },
  'a folder': {
    before: () => replaceFolder(join(dir, 'f'), (folder) => writeFileAtomic(join(folder, 'a'), 'old')),
    write: () => replaceFolder(join(dir, 'f'), (folder) => writeFileAtomic(join(folder, 'a'), 'new text')),
  },
  'a branch of the cache': {
    before: () => writeRef(dir, 'pr/1', 'a'.repeat(40)),
    write: () => writeRef(dir, 'pr/1', 'b'.repeat(40)),
  },
  weights: {
    before: () => writeFileAtomic(join(dir, 'w.safetensors'), 'old'),
    write: () =>
      writeSafetensors(join(dir, 'w.safetensors'), {
        a: { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) },
      }),
  },
  'added weights': { before: () => add(0), write: () => add(1) },
  'the claim of a folder': { write: () => claimFolder(join(dir, 'a/b'), MARK) },
  'a saliency picture': {
    before: () => writeFileAtomic(join(dir, 'map.png'), 'old'),
    write: async () =>
      writeImage(await imageTarget(join(dir, 'map.png'), '--out'), disc, fakeHost(dir).stdout),
  },
  'a run': {
    isLong: true,
    write: () =>
      cli('generate', 'a red cat', '--seed', '1', '--out', 'run', '--save-iterations', '--iterations', '1'),
  },
  'a clip': {
    isLong: true,
    write: () =>
      cli('video', 'a red cat', '--seed', '1', '--out', 'clip', '--frames', '3', '--iterations', '1'),
  },
  'a series': {
    isLong: true,
    write: () =>
      cli('generate', 'a red cat', '--seed', '1', '--method', 'sd', '--count', '2', '--out', 'series'),
  },
};

/** Calls `write` once for each of its system calls of a kind, with that call failing. @returns how many failed */
async function failEach(call: Call, { before, write, isRaw, isLong }: Writer): Promise<number> {
  let failed = 0;
  for (let at = 1; ; at = isLong ? 3 * at + 1 : at + 1) {
    for (const name of readdirSync(dir)) rmSync(join(dir, name), { recursive: true });
    await before?.();
    const old = tree(dir);
    const code = CODES[(at + CALLS.indexOf(call)) % CODES.length];
    disk.plan({ call, at, code });
    const error: unknown = await write().then(
      () => undefined,
      (reason) => reason,
    );
    const { wasHit } = disk;
    disk.plan();
    if (!wasHit) break;
    failed++;
    const when = `${call} ${at} with ${code}`;
    check(old, when);
    if (error !== undefined) expectLine(error, isRaw === true, when);
  }
  return failed;
}

function expectLine(error: unknown, isRaw: boolean, when: string): void {
  const { message, name } = error as Error;
  if (isRaw) return;
  // A series says for each run what went wrong.
  const lines = message.trim().split('\n');
  if (!('isLine' in (error as object)))
    expect([name, lines.length], `${when}: ${message}`).toEqual(['UserError', 1]);
  else for (const line of lines) expect(line, when).toMatch(/^sgool: (?!unexpected)/);
  expect(message, when).not.toMatch(/injected|\.tmp/);
}

function check(old: ReadonlyMap<string, string>, when: string): void {
  const now = tree(dir);
  for (const path of old.keys()) expect([...now.keys()], when).toContain(path);
  for (const [path, content] of now) {
    expect(path, when).not.toMatch(/\.tmp$|\.former|\.old$|locks\//);
    const known = [old.get(path), clean.get(path)];
    if (!known.includes(content))
      expect(isWhole(path, content), `${when}: ${path}: ${content.slice(0, 80)}`).toBe(true);
  }
}

/** What the writer leaves when nothing fails. */
let clean: ReadonlyMap<string, string>;

describe.each(Object.entries(WRITERS))('%s', (name, writer) => {
  it.each(CALLS)('stands a failure at every %s', async (call) => {
    await writer.before?.();
    await writer.write();
    clean = tree(dir);
    const failed = await failEach(call, writer);
    // Each writer opens, writes, flushes, closes, renames, as far as it makes a file.
    const needed: Record<string, readonly Call[]> = {
      'a link': ['link', 'rename', 'fsync'],
      'a file that is not flushed': ['open', 'write', 'close', 'rename'],
      'the claim of a folder': ['mkdir', 'open', 'write', 'close'],
      'a file that nobody else may have': ['open', 'write', 'fsync', 'close'],
    };
    if ((needed[name] ?? ['open', 'write', 'fsync', 'close', 'rename']).includes(call))
      expect(failed).toBeGreaterThan(0);
  });
});

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
          expect(readdirSync(dir)).toEqual(['a.txt']);
        }
      }
    },
  );
});

describe('the order of system calls', () => {
  const calls = () =>
    disk.log.map((line) => line.replace(dir, '').replace(/\/?\.sgool-\S+\.tmp/, '/TEMPORARY'));

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
    const cache = join(dir, 'hub');
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
        if (error !== undefined) expectLine(error, false, when);
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
    for (const one of names) mkdirSync(join(dir, 'own', one), { recursive: true });
    return join(dir, 'own');
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
  const stored = join(dir, 'data/weights/hps-v2');
  renameSync(stored, `${stored}.former`);
  expect(findAdded('hps-v2', env())).toBe(`${stored}.former`);
  await add(1);
  expect(findAdded('hps-v2', env())).toBe(stored);
  expect(readdirSync(dirname(stored))).toEqual(['hps-v2']);
});

it('of many runs that start at once, each has its own folder', async () => {
  const claimed = await Promise.all(Array.from({ length: 8 }, () => claimFolder(join(dir, 'run'), MARK)));
  expect(new Set(claimed.map((one) => one.dir)).size).toBe(8);
});
