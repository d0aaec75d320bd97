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
import { PLACE, placeholderOf } from './options/empty-places.ts';
import { discImage, everyCommand, fakeHost } from './testing.ts';

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
  await mkdir(join(dir, 'record'));
  await write('record/run.json', JSON.stringify(RECORD));
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
  ['missing', 'nowhere'],
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

/** What `refine` says of a run. */
const RECORD = {
  sgool: '0.1.0',
  status: 'done',
  request: { prompt: 'a', negativePrompt: '', seed: 7, steps: 1, method: 'sgool', image: 'gone.png' },
  settings: { width: 128, height: 128, sampler: 'ddim', steps: 1 },
  model: { name: 'toybox' },
  inputHashes: { image: '0'.repeat(64) },
  iterations: [],
};

interface Door {
  readonly name: string;
  readonly words: (place: string) => readonly string[];
  /** Places that are right here. */
  readonly accepts?: readonly string[];
}

const SHORT = ['--steps', '1', '--method', 'sd', '--out', 'out'];
const LETTERS = ['words', ESCAPE, 'bytes', 'bomb', 'twice', 'proto', 'page', 'drawing'];
const RUN = ['generate', 'a', '--iterations', '1', '--out', 'out'];
const CELLS = ['evaluate', '--suite', 'toybox', '--limit', '1', '--out', 'out'];
const options = (command: string, words: readonly string[], ...flags: readonly string[]): Door[] =>
  flags.map((flag) => ({ name: `${command} --${flag}`, words: (place) => [...words, `--${flag}`, place] }));

/** The arguments and options that name what is read. */
const DOORS: readonly Door[] = [
  ...options(
    'generate',
    ['generate', 'a', ...SHORT],
    ...['model', 'clip', 'tokenizer', 'text-encoders', 'vae', 'lora', 'embedding', 'model-config'],
    ...['adapter', 'motion', 'embeddings-dir'],
  ),
  ...options('generate', ['generate', 'a <lora:x:1>', ...SHORT], 'lora-dir'),
  ...options('generate', RUN, 'mask', 'mask-file', 'target-image'),
  { name: 'generate --saliency', words: (place) => [...RUN, '--saliency', place] },
  { name: 'generate --guide', words: (place) => [...RUN, '--guide', `onnx:${place}`] },
  {
    name: 'generate --prompts',
    words: (place) => ['generate', '--prompts', place, '--model', 'none', '--out', 'out'],
    accepts: LETTERS,
  },
  { name: 'refine <image>', words: (place) => ['refine', place, 'a', '--out', 'out'] },
  ...options('refine', ['refine', 'good.png', 'a', '--out', 'out'], 'mask'),
  { name: 'detail <image>', words: (place) => ['detail', place, 'a', '--out', 'out'] },
  ...options('detail', ['detail', 'good.png', 'a', '--out', 'out'], 'mask'),
  { name: 'repeat <file>', words: (place) => ['repeat', place, '--out', 'out'] },
  ...options('repeat', ['repeat', 'record/run.json', '--out', 'out'], 'image'),
  { name: 'runs [folder]', words: (place) => ['runs', place], accepts: ['folder'] },
  { name: 'resume <folder>', words: (place) => ['resume', place] },
  { name: 'saliency <image>', words: (place) => ['saliency', place, '--out', 'map.png'] },
  ...options('saliency', ['saliency', 'good.png', '--out', 'map.png'], 'mask'),
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
  ...options('score', ['score', 'good.png', 'a'], 'clip', 'model'),
  ...options('finetune', ['finetune', 'separate-enhance', '--out', 'out', '--steps', '1'], 'concepts'),
  { name: 'adapters inspect <file>', words: (place) => ['adapters', 'inspect', place] },
  { name: 'adapters merge <file>', words: (place) => ['adapters', 'merge', place, '--out', 'out'] },
  {
    name: 'evaluate --suite',
    words: (place) => ['evaluate', '--suite', place, '--out', 'out', '--model', 'none'],
  },
  ...['aesthetic=', 'onnx:'].map((kind) => ({
    name: `evaluate --scorer ${kind}`,
    words: (place: string) => [...CELLS, '--scorer', kind + place],
  })),
  ...['status', 'report', 'retry', 'rebuild'].map((name) => ({
    name: `evaluate ${name} <folder>`,
    words: (place: string) => ['evaluate', name, place],
  })),
  { name: 'evaluate merge <folder>', words: (place) => ['evaluate', 'merge', place, 'folder'] },
  { name: 'evaluate merge <part>', words: (place) => ['evaluate', 'merge', 'out', place] },
  { name: 'study create <evaluation>', words: (place) => ['study', 'create', place] },
  ...['serve', 'report', 'export'].map((name) => ({
    name: `study ${name} <study>`,
    words: (place: string) => ['study', name, place],
  })),
  { name: 'suites show <suite>', words: (place) => ['suites', 'show', place] },
  ...['parti', 'csp', 't2i-compbench'].map((name) => ({
    name: `suites add <file>, ${name}`,
    words: (place: string) => ['suites', 'add', name, place],
  })),
  { name: 'models inspect [model]', words: (place) => ['models', 'inspect', place] },
  {
    name: 'models verify [model]',
    words: (place) => ['models', 'verify', place],
    // Any file has a hash.
    accepts: ['folder', 'empty', 'cut.png', ...LETTERS],
  },
  ...['transalnet', 'hps', 'aesthetic', 'image-reward'].map((name) => ({
    name: `models add <file>, ${name}`,
    words: (place: string) => ['models', 'add', name, place],
  })),
  ...options('devices add', ['devices', 'add', 'cuda'], 'from'),
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

/** Arguments and options that name a place, of every command; an option that several share is one. */
async function places(): Promise<{ arguments: Set<string>; options: Set<string> }> {
  const found = { arguments: new Set<string>(), options: new Set<string>() };
  for (const [words, command] of await everyCommand()) {
    for (const one of command.registeredArguments)
      if (PLACE.test(one.name()))
        found.arguments.add(`${words} ${one.required ? `<${one.name()}>` : `[${one.name()}]`}`);
    for (const { flags, long, hidden } of command.options)
      if (!hidden && PLACE.test(placeholderOf(flags))) found.options.add(long as string);
  }
  return found;
}

/** Where files are written, or of the Hub's: with what holds them. */
const OTHERS: Readonly<Record<string, string>> = {
  '--out': 'bad-outputs.test.ts',
  '--file': 'names of the Hub: hub/select-files.test.ts',
  '--results': 'a bucket or a folder that is written to',
};

const cases = DOORS.flatMap((door) => KINDS.map(([kind, place]) => ({ door, kind, place })));

it('every argument and option that names a place has its row', async () => {
  const { arguments: needed, options: flags } = await places();
  const rows = DOORS.map(({ name }) => name);
  expect([...needed].filter((name) => !rows.some((row) => row.startsWith(name)))).toEqual([]);
  const missing = [...flags].filter((flag) => !rows.some((row) => row.endsWith(` ${flag}`)));
  expect(missing.sort()).toEqual(Object.keys(OTHERS).sort());
});

describe.skipIf(process.platform === 'win32')('a bad input', () => {
  it.each(cases)('$door.name: $kind', async ({ door, place }) => {
    if (door.name === 'sgool.config.json') {
      const cwd = await mkdtemp(join(dir, 'cwd-'));
      if (place === '' || place.length > 250 || place === 'nowhere') return;
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
