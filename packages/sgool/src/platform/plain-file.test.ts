import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../errors.ts';
import { disk, files } from './node.ts';
import {
  readPlainChunks,
  readPlainFile,
  readPlainFileSync,
  readPlainRangeSync,
  withPlainFile,
} from './plain-file.ts';
import { SIZE_LIMITS, type SizeLimit } from './size-limits.ts';

const LIMIT: SizeLimit = { what: 'a test', bytes: 2048 };

let dir: string;
const at = (name: string) => join(dir, name);
const server = createServer();
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'sgool-plain-'));
  writeFileSync(at('plain'), 'twelve bytes');
  mkdirSync(at('folder'));
  symlinkSync('a', at('b'));
  symlinkSync('b', at('a'));
  writeFileSync(at('large'), '');
  truncateSync(at('large'), LIMIT.bytes + 1);
  writeFileSync(at('exact'), '');
  truncateSync(at('exact'), LIMIT.bytes);
  if (process.platform === 'win32') return;
  execFileSync('mkfifo', [at('pipe')]);
  await new Promise<void>((listening) => server.listen(at('socket'), listening));
});
afterAll(() => {
  server.close();
  rmSync(dir, { recursive: true });
});

/** Every way to open a file. */
const WAYS: readonly (readonly [string, (path: string) => Promise<unknown>])[] = [
  ['readPlainFile', (path) => readPlainFile(path, LIMIT)],
  ['readPlainFileSync', async (path) => readPlainFileSync(path, LIMIT)],
  ['readPlainRangeSync', async (path) => readPlainRangeSync(path, 0, 1)],
  ['withPlainFile', (path) => withPlainFile(path, ({ read }) => read(0, 1))],
  ['readPlainChunks', (path) => readPlainChunks(path, () => undefined)],
  ['files.readText', (path) => files.readText(path, LIMIT)],
  ['files.withFile', (path) => files.withFile(path, ({ read }) => read(0, 1))],
];

interface Refused {
  readonly kind: string;
  readonly name: string;
  readonly message: RegExp;
  /** Systems that have it; none: all. */
  readonly on?: readonly string[];
}

const UNIX = ['linux', 'darwin'];
const REFUSED: readonly Refused[] = [
  { kind: 'a missing file', name: 'none', message: /the file does not exist$/ },
  { kind: 'a folder', name: 'folder', message: /it is a folder, a plain file is needed$/ },
  { kind: 'a file as a folder', name: 'plain/x', message: /a part of the path is a file/, on: UNIX },
  { kind: 'a circle of links', name: 'a', message: /its symbolic links lead in a circle$/, on: UNIX },
  { kind: 'a long name', name: 'x'.repeat(300), message: /the name is too long$/, on: UNIX },
  { kind: 'a name with NUL', name: 'a\0b', message: /the name holds a NUL character$/ },
  { kind: 'a pipe', name: 'pipe', message: /it is a pipe, a plain file is needed$/, on: UNIX },
  { kind: 'a socket', name: 'socket', message: /it is a socket, a plain file is needed$/, on: UNIX },
  {
    kind: 'an endless device',
    name: '/dev/zero',
    message: /it is a device, a plain file is needed$/,
    on: UNIX,
  },
  {
    kind: 'a terminal',
    name: '/dev/ptmx',
    message: /it is a device, a plain file is needed$/,
    on: ['linux'],
  },
];

describe.each(WAYS)('%s', (_, read) => {
  const here = REFUSED.filter(({ on = [process.platform] }) => on.includes(process.platform));

  it.each(here)('refuses $kind in one line', async ({ name, message }) => {
    const path = name.startsWith('/') ? name : at(name);
    const error = await read(path).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toMatch(/^cannot read /);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toMatch(/[\n\0]/);
  });

  it('reads a plain file', async () => {
    await expect(read(at('plain'))).resolves.not.toThrow();
  });

  it.skipIf(process.getuid?.() === 0 || process.platform === 'win32')(
    'names a missing permission',
    async () => {
      writeFileSync(at('locked'), 'x');
      chmodSync(at('locked'), 0);
      await expect(read(at('locked'))).rejects.toThrow('permission denied');
    },
  );
});

describe('a whole file', () => {
  const message = 'it has more than 2 KB, which is the most for a test';

  it('has a limit', async () => {
    await expect(readPlainFile(at('large'), LIMIT)).rejects.toThrow(message);
    expect(() => readPlainFileSync(at('large'), LIMIT)).toThrow(message);
    expect(await readPlainFile(at('exact'), LIMIT)).toHaveLength(LIMIT.bytes);
    expect(readPlainFileSync(at('exact'), LIMIT)).toHaveLength(LIMIT.bytes);
  });

  it.skipIf(process.platform !== 'linux')('has it too where the system states no size', async () => {
    const kernel = '/proc/kallsyms';
    await expect(readPlainFile(kernel, LIMIT)).rejects.toThrow(message);
    expect(() => readPlainFileSync(kernel, LIMIT)).toThrow(message);
    const small = await readPlainFile('/proc/self/comm', LIMIT);
    expect(small.length).toBeGreaterThan(0);
    expect(readPlainFileSync('/proc/self/comm', LIMIT)).toEqual(small);
  });

  it.skipIf(process.platform !== 'linux')('names what the kernel refuses', async () => {
    await expect(readPlainFile('/proc/self/mem', LIMIT)).rejects.toThrow(/^cannot read \/proc\/self\/mem: /);
  });

  it('that grows or shrinks while it is read is refused', async () => {
    for (const [change, then] of [
      [() => appendFileSync(at('moving'), 'more'), 1004],
      [() => truncateSync(at('moving'), 10), 10],
    ] as const) {
      writeFileSync(at('moving'), new Uint8Array(1000));
      let changed = false;
      const reading = readPlainFile(at('moving'), {
        what: 'a test',
        // Asked for when the size of the open file is known.
        get bytes() {
          if (!changed) change();
          changed = true;
          return 5000;
        },
      });
      await expect(reading).rejects.toThrow(
        `it changed while it was read: it had 1000 bytes, then ${then}; try again`,
      );
    }
  });

  it('is closed again, whatever happens', async () => {
    const next = () => openSync(at('plain'), 'r');
    const first = next();
    for (let i = 0; i < 50; i++) {
      await readPlainFile(at('large'), LIMIT).catch(() => undefined);
      await readPlainFile(at('pipe'), LIMIT).catch(() => undefined);
      await readPlainFile(at('plain'), LIMIT);
      readPlainFileSync(at('plain'), LIMIT);
    }
    expect(next() - first).toBeLessThan(20);
  });

  it('is text in UTF-8, or no text', async () => {
    writeFileSync(at('latin'), Buffer.from([0x61, 0xe4, 0x62]));
    await expect(files.readText(at('latin'), LIMIT)).rejects.toThrow(/latin: it is not text in UTF-8$/);
    expect(() => disk.readText(at('latin'), LIMIT)).toThrow('it is not text in UTF-8');
  });
});

describe('disk.readText', () => {
  it('is undefined where there is nothing, and refuses what is there and cannot be read', () => {
    expect(disk.readText(at('none'), LIMIT)).toBeUndefined();
    expect(disk.readText(at('plain/x'), LIMIT)).toBeUndefined();
    expect(() => disk.readText(at('folder'), LIMIT)).toThrow('it is a folder');
    expect(() => disk.readText(at('a'), LIMIT)).toThrow('circle');
    expect(() => disk.readText(at('large'), LIMIT)).toThrow('more than 2 KB');
  });
});

it('every limit says for what it is, and bounds the memory', () => {
  for (const [name, { what, bytes }] of Object.entries(SIZE_LIMITS)) {
    expect(what).toMatch(/^(a|an|the) /);
    // The weights of a scorer and a library for a card, which the user has named, are whole in their files.
    expect(bytes).toBeLessThanOrEqual(
      ({ onnx: 2 ** 31, library: 2 ** 30 } as Record<string, number>)[name] ?? 2 ** 27,
    );
  }
});
