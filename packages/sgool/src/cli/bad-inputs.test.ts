/** Every argument that names a file, with every kind of place that is not what it should be: one line, exit code 1 or 2, in seconds. */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { encodePng } from '../image/png.ts';
import { runCli } from './cli.ts';
import { engine } from './engine.ts';
import { discImage, fakeHost } from './testing.ts';

vi.setConfig({ testTimeout: 30_000 });

const ESCAPE = 'a\u001b[31m\u009b2J\u202eb\rc';

let dir: string;
const server = createServer();
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-bad-'));
  const write = (name: string, content: string | Uint8Array) => writeFile(join(dir, name), content);
  await write('good.png', encodePng(discImage(0)));
  await write('empty', '');
  await write(
    'bytes',
    Uint8Array.from({ length: 4096 }, (_, i) => (i * 7919) % 251),
  );
  await write('words', 'just some words\n'.repeat(100));
  await write('bomb', `{"request":${'['.repeat(100_000)}`);
  await write('twice', '{"request":{"prompt":"a","prompt":"b"}}');
  await write('proto', '{"request":{"__proto__":{"prompt":"a"}}}');
  await write('page', `<!DOCTYPE html><title>${ESCAPE}</title>`);
  await write('drawing', '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
  await write('cut.png', encodePng(discImage(0)).subarray(0, -30));
  await write('huge', '');
  await truncate(join(dir, 'huge'), 2 ** 33);
  await mkdir(join(dir, 'folder'));
  await symlink('loop2', join(dir, 'loop'));
  await symlink('loop', join(dir, 'loop2'));
  if (process.platform === 'win32') return;
  execFileSync('mkfifo', [join(dir, 'pipe')]);
  await write(ESCAPE, 'just some words');
  await new Promise<void>((listening) => server.listen(join(dir, 'socket'), listening));
});
afterAll(async () => {
  server.close();
  await rm(dir, { recursive: true });
});

const KINDS: readonly (readonly [kind: string, place: string])[] = [
  ['missing', 'none'],
  ['an empty file', 'empty'],
  ['bytes of no format', 'bytes'],
  ['words', 'words'],
  ['deep JSON', 'bomb'],
  ['JSON with a key twice', 'twice'],
  ['JSON with a prototype', 'proto'],
  ['a web page', 'page'],
  ['a drawing', 'drawing'],
  ['a PNG that is cut off', 'cut.png'],
  ['8 GB of nothing', 'huge'],
  ['a folder', 'folder'],
  ['a circle of links', 'loop'],
  ['a pipe', 'pipe'],
  ['a socket', 'socket'],
  ['a device without end', '/dev/zero'],
  ['below a file', 'words/x'],
  ['a long name', 'x'.repeat(300)],
  ['a name with escape sequences', ESCAPE],
  ['a missing name with escape sequences', `${ESCAPE}none`],
  ['an empty name', ''],
];

interface Door {
  readonly name: string;
  readonly words: (place: string) => readonly string[];
  /** Kinds that are right here. */
  readonly accepts?: readonly string[];
}

const SHORT = ['--steps', '1', '--method', 'sd', '--out', 'out'];
const LETTERS = ['words', ESCAPE, 'bytes', 'bomb', 'twice', 'proto', 'page', 'drawing'];
const DOORS: readonly Door[] = [
  { name: 'generate --model', words: (place) => ['generate', 'a', ...SHORT, '--model', place] },
  ...['clip', 'tokenizer', 'text-encoders', 'vae', 'lora', 'embedding', 'model-config'].map((flag) => ({
    name: `generate --${flag}`,
    words: (place: string) => ['generate', 'a', ...SHORT, `--${flag}`, place],
  })),
  {
    name: 'generate --lora-dir',
    words: (place) => ['generate', 'a <lora:x:1>', ...SHORT, '--lora-dir', place],
  },
  {
    name: 'generate --mask',
    words: (place) => ['generate', 'a', '--iterations', '1', '--out', 'out', '--mask', place],
  },
  {
    name: 'generate --prompts',
    words: (place) => ['generate', '--prompts', place, '--model', 'none', '--out', 'out'],
    accepts: LETTERS,
  },
  { name: 'refine <image>', words: (place) => ['refine', place, 'a', '--out', 'out'] },
  { name: 'refine --mask', words: (place) => ['refine', 'good.png', 'a', '--out', 'out', '--mask', place] },
  { name: 'repeat <file>', words: (place) => ['repeat', place, '--out', 'out'] },
  { name: 'saliency <image>', words: (place) => ['saliency', place, '--out', 'map.png'] },
  {
    name: 'saliency --mask',
    words: (place) => ['saliency', 'good.png', '--out', 'map.png', '--mask', place],
  },
  { name: 'score <image>', words: (place) => ['score', place, 'a'] },
  { name: 'score <images>', words: (place) => ['score', place, 'folder', 'a'] },
  {
    name: 'score --prompts',
    words: (place) => ['score', 'good.png', '--prompts', place, '--model', 'none'],
    accepts: LETTERS,
  },
  ...['hps-v2', 'pickscore', 'image-reward'].map((name) => ({
    name: `score --scorer ${name}`,
    words: (place: string) => ['score', 'good.png', 'a', '--scorer', `${name}=${place}`],
  })),
  { name: 'score --clip', words: (place) => ['score', 'good.png', 'a', '--clip', place] },
  { name: 'score --model', words: (place) => ['score', 'good.png', 'a', '--model', place] },
  { name: 'models inspect', words: (place) => ['models', 'inspect', place] },
  {
    name: 'models verify',
    words: (place) => ['models', 'verify', place],
    // Any file has a hash.
    accepts: ['folder', 'empty', 'cut.png', ...LETTERS],
  },
  { name: 'models add', words: (place) => ['models', 'add', 'transalnet', place] },
  { name: 'models add hps', words: (place) => ['models', 'add', 'hps', place] },
  { name: 'sgool.config.json', words: () => ['generate', 'a', ...SHORT] },
];

async function run(words: readonly string[], env: Record<string, string> = {}, cwd = dir) {
  const host = fakeHost(cwd, {
    engine,
    // Of this test alone: nothing is found by chance, and nothing is downloaded.
    env: { HF_HOME: join(dir, 'hub'), SGOOL_DATA_DIR: join(dir, 'data'), HF_HUB_OFFLINE: '1', ...env },
  });
  const started = performance.now();
  const code = await runCli(words, host);
  return { code, ...host.written, seconds: (performance.now() - started) / 1000 };
}

/** The line is one, says where, and does nothing to a terminal. */
function checkRefusal({ code, stderr, stdout, seconds }: Awaited<ReturnType<typeof run>>): void {
  expect(stderr).not.toContain('unexpected error');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be there
  expect(stderr + stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  expect([1, 2]).toContain(code);
  const lines = stderr.trimEnd().split('\n');
  expect(lines.length, stderr).toBeLessThanOrEqual(3);
  expect(lines.at(-1)).toMatch(/^sgool: .{8,}$/);
  expect(stderr.length).toBeLessThan(3000);
  expect(seconds).toBeLessThan(20);
}

const cases = DOORS.flatMap((door) => KINDS.map(([kind, place]) => ({ door, kind, place })));

describe.skipIf(process.platform === 'win32')('a bad input', () => {
  it.each(cases)('$door.name: $kind', async ({ door, place }) => {
    if (door.name === 'sgool.config.json') {
      const cwd = await mkdtemp(join(dir, 'cwd-'));
      if (place === '' || place.length > 250 || place === 'none') return;
      await symlink(place.startsWith('/') ? place : join(dir, place), join(cwd, 'sgool.config.json'));
      const result = await run([...door.words(place), '--model', 'none'], {}, cwd);
      checkRefusal(result);
      return;
    }
    const result = await run(door.words(place));
    if (door.accepts?.includes(place) && result.code === 0) return;
    checkRefusal(result);
  });

  it('nothing is left by what was refused', async () => {
    expect((await readdir(dir)).filter((name) => /^(out|map|data)/.test(name))).toEqual([]);
  });

  it.each([
    ['HF_TOKEN_PATH', 'pipe'],
    ['HF_TOKEN_PATH', 'folder'],
    ['HF_TOKEN_PATH', 'loop'],
    ['HF_TOKEN_PATH', '/dev/zero'],
    ['HF_TOKEN_PATH', 'huge'],
    ['HF_HOME', 'words'],
    ['SGOOL_DATA_DIR', 'words'],
    ['SGOOL_DATA_DIR', 'loop'],
    ['SGOOL_MASK', 'pipe'],
    ['SGOOL_LORA', ESCAPE],
  ])('in the environment: %s=%s', async (name, place) => {
    const value = place.startsWith('/') ? place : join(dir, place);
    const words = name.startsWith('HF_TOKEN')
      ? ['models', 'pull', 'some/model']
      : ['models', 'add', 'transalnet', 'words'];
    const run1 =
      name.startsWith('SGOOL_M') || name.startsWith('SGOOL_L') ? ['generate', 'a', '--out', 'out'] : words;
    checkRefusal(
      await run(run1, {
        [name]: value,
        HF_HUB_OFFLINE: name.startsWith('HF_TOKEN') ? '' : '1',
        HF_ENDPOINT: 'http://127.0.0.1:9',
      }),
    );
  });

  it.each([
    ['a mask', { maskFile: 'a\0b' }],
    ['a folder', { out: 'a\0b', model: 'toybox', method: 'sd', steps: 1 }],
    ['a model', { model: 'a\0b' }],
    ['a LoRA', { lora: 'a\0b' }],
    ['prompts', { prompts: 'a\0b' }],
    ['a number too large', { steps: 1e308 }],
  ])('a NUL character in sgool.config.json: %s', async (_, values) => {
    const cwd = await mkdtemp(join(dir, 'nul-'));
    await writeFile(join(cwd, 'sgool.config.json'), JSON.stringify(values));
    const words = 'prompts' in values ? ['generate'] : ['generate', 'a'];
    checkRefusal(await run(words, {}, cwd));
  });

  it.each([
    '"seed": 1e999',
    '"seed": 18446744073709551616',
    '"a": 1, "a": 2',
    '"__proto__": {"steps": 1}',
    `"${ESCAPE.replaceAll('\r', '').replaceAll('\u001b', '\\u001b')}": 1`,
  ])('in sgool.config.json: %s', async (entry) => {
    const cwd = await mkdtemp(join(dir, 'entry-'));
    await writeFile(join(cwd, 'sgool.config.json'), `{${entry}}`);
    checkRefusal(await run(['generate', 'a'], {}, cwd));
  });

  it.each([
    ['generate', `a ${ESCAPE}`, '--model', 'none'],
    ['generate', 'a', '--sampler', ESCAPE],
    ['generate', 'a', `--${ESCAPE}`],
    ['generate', 'a', '--method', ESCAPE],
    [ESCAPE],
    ['models', ESCAPE],
    ['score', 'good.png', 'a', '--scorer', ESCAPE],
    ['score', 'good.png', 'a', '--sort', ESCAPE],
    ['score', 'good.png', 'a', '--out', ESCAPE],
    ['saliency', 'good.png', '--out', ESCAPE],
    ['models', 'pull', ESCAPE],
  ])('escape sequences on the command line: %j', async (...words) => {
    checkRefusal(await run(words));
  });
});
