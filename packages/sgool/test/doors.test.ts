/** @file What only a process can show: where files go, signals, bytes that are equal again, the standard input. */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, link, lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { readImage } from 'sgool';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type RunWith, runSgool } from './run-sgool.ts';
import { describeOnToybox, temporaryFolder } from './toybox-model.ts';

vi.setConfig({ testTimeout: 120_000 });

const FEW_STEPS = ['--seed', '5', '--steps', '2', '--sampler', 'ddim', '--saliency', 'spectral-residual'];

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
  await copyFile(new URL('red-cat-green-cup.png', import.meta.url), inFolder('cat.png'));
});
afterAll(() => folder?.remove());

const inFolder = (...names: string[]) => path.join(folder.dir, ...names);
const sgool = (words: string[], options?: RunWith) => runSgool(folder.dir, words, options);
const savedRun = async (out: string) => JSON.parse(await readFile(inFolder(out, 'run.json'), 'utf8'));
const saliency = (out: string) =>
  sgool(['saliency', 'cat.png', '--detector', 'spectral-residual', '--out', out]);
const start = (bytes: Uint8Array) => Buffer.from(bytes.subarray(0, 4)).toString('latin1');
const onLinux = it.skipIf(process.platform !== 'linux');

describeOnToybox('saliency --out', () => {
  it('writes the format that the name says, or refuses it', async () => {
    await saliency('map.jpg');
    expect(start(await readFile(inFolder('map.jpg')))).toMatch(/^\xff\xd8\xff/);
    await saliency('map.webp');
    expect(start(await readFile(inFolder('map.webp')))).toBe('RIFF');
    for (const [name, message] of [
      ['map.gif', '--out: the format .gif is not written; choose from .png, .jpg, .jpeg, .webp'],
      ['map', '--out: map has no ending; choose from .png, .jpg, .jpeg, .webp'],
    ]) {
      const { code, lines } = await saliency(name);
      expect([code, lines]).toEqual([2, [`sgool: ${message}`]]);
      expect(existsSync(inFolder(name))).toBe(false);
    }
  });

  it('never overwrites its input, by whatever name', async () => {
    const before = await readFile(inFolder('cat.png'));
    await link(inFolder('cat.png'), inFolder('same.png'));
    await symlink('cat.png', inFolder('also.png'));
    for (const name of ['cat.png', 'same.png', 'also.png', './cat.png']) {
      const { code, lines } = await saliency(name);
      expect([code, lines.length]).toEqual([2, 1]);
      expect(lines[0]).toMatch(/^sgool: --out: .* is the input .*cat\.png; give another name$/);
    }
    expect(await readFile(inFolder('cat.png'))).toEqual(before);
  });

  it('follows a link, also one that leads nowhere yet', async () => {
    await mkdir(inFolder('elsewhere'));
    await symlink('elsewhere/map.png', inFolder('link.png'));
    expect((await saliency('link.png')).code).toBe(0);
    expect((await lstat(inFolder('link.png'))).isSymbolicLink()).toBe(true);
    expect(await readImage(inFolder('elsewhere', 'map.png'))).toMatchObject({ width: 384 });
  });

  onLinux('writes through devices and pipes, and leaves them what they are', async () => {
    const { code, lines } = await saliency('/dev/full');
    expect([code, lines]).toEqual([1, ['sgool: cannot write /dev/full: no space left on the disk']]);
    expect((await stat('/dev/full')).isCharacterDevice()).toBe(true);
    expect((await saliency('/dev/null')).code).toBe(0);
    expect((await stat('/dev/null')).isCharacterDevice()).toBe(true);

    execFileSync('mkfifo', [inFolder('pipe')]);
    const reader = spawn('cat', [inFolder('pipe')]);
    const parts: Buffer[] = [];
    reader.stdout.on('data', (part) => parts.push(part));
    const read = new Promise((done) => reader.on('close', done));
    expect((await saliency('pipe')).code).toBe(0);
    await read;
    expect(start(Buffer.concat(parts))).toBe('\x89PNG');
    expect((await stat(inFolder('pipe'))).isFIFO()).toBe(true);

    const { bytes } = await saliency('/dev/stdout');
    expect([start(bytes), bytes.subarray(-8, -4).toString('latin1')]).toEqual(['\x89PNG', 'IEND']);
  });

  onLinux.each([
    ['saliency', ['saliency', 'cat.png', '--detector', 'centre', '--out', '/proc/map.png']],
    ['generate', ['generate', 'a cat', '--method', 'sd', '--out', '/proc/run']],
    ['generate, series', ['generate', 'a cat', '--method', 'sd', '--count', '2', '--out', '/proc/run']],
    ['refine', ['refine', 'cat.png', 'a cat', '--out', '/proc/run']],
    ['score', ['score', 'cat.png', 'a cat', '--out', '/proc/scores.csv']],
    ['models', ['models', 'add', 'hps-v2', 'cat.png']],
  ])('%s ends in one line where nothing can be written', async (_, words) => {
    const { code, stdout, lines } = await sgool(words, { env: { SGOOL_DATA_DIR: '/proc/data' } });
    expect([code, stdout, lines.length]).toEqual([1, '', 1]);
    expect(lines[0]).toMatch(/^sgool: /);
  });
});

describeOnToybox('two equal runs', () => {
  it('leave the same bytes in every image, and repeat makes them again', async () => {
    const name = 'equal';
    const words = [...FEW_STEPS, '--seed', '18446744073709551615', '--iterations', '1', '--save-iterations'];
    for (const out of ['one', 'two'])
      await sgool(['generate', 'a red cat', ...words, '--out', `${name}/${out}`]);
    const { code, lines } = await sgool(['repeat', `${name}/one/image.png`, '--out', `${name}/three`]);
    expect([code, lines.at(-1)]).toEqual([
      0,
      `sgool: ${name}/three/image.png has the same bytes as ${name}/one/image.png`,
    ]);
    const images = (await readdir(inFolder(name, 'one'), { recursive: true })).filter((file) =>
      file.endsWith('.png'),
    );
    expect(images.length).toBeGreaterThan(3);
    for (const file of images) {
      const bytes = await readFile(inFolder(name, 'one', file));
      expect(bytes.equals(await readFile(inFolder(name, 'two', file))), file).toBe(true);
      if (file.includes('iterations')) continue;
      expect(bytes.equals(await readFile(inFolder(name, 'three', file))), file).toBe(true);
    }
  });
});

describeOnToybox('a signal', () => {
  const long = (out: string) => ['generate', 'a red cat', ...FEW_STEPS, '--iterations', '5000', '--out', out];

  it.each([
    ['SIGTERM', 143, ['SIGTERM']],
    ['SIGHUP', 129, ['SIGHUP']],
  ] as const)('%s ends the run in time, with its record', async (_, exitCode, signals) => {
    const { code, lines } = await sgool(long(`by-${signals[0]}`), {
      interruptAt: '{"iteration":1,',
      signals,
    });
    expect(code).toBe(exitCode);
    expect(lines.at(-1)).toMatch(/^sgool: stopped; the best image so far \(iteration \d\) is in by-/);
    expect(await savedRun(`by-${signals[0]}`)).toMatchObject({ status: 'stopped', seed: 5 });
    expect(await readImage(inFolder(`by-${signals[0]}`, 'image.png'))).toMatchObject({ width: 128 });
  });

  it('the second Ctrl-C ends it at once, with its record', async () => {
    const words = long('twice');
    const { code, lines } = await sgool(words, {
      interruptAt: '{"iteration":1,',
      signals: ['SIGINT', 'SIGTERM'],
    });
    expect([130, 143]).toContain(code);
    expect(lines.at(-1)).toMatch(/^sgool: stopped; the best image so far/);
    expect(await savedRun('twice')).toMatchObject({ status: 'stopped' });
    const left = await readdir(inFolder('twice'), { recursive: true });
    expect(left.filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});

describeOnToybox('--prompts -', () => {
  it('reads prompts from the standard input', async () => {
    const words = [
      'generate',
      '--prompts',
      '-',
      '--method',
      'sd',
      '--seed',
      '1',
      '--steps',
      '1',
      '--out',
      'many',
    ];
    const { code, stdout } = await sgool(words, { input: 'a red cat\r\n\na blue boat\n' });
    expect(code).toBe(0);
    const folders = ['001-a-red-cat-1', '002-a-blue-boat-1'];
    expect(stdout).toBe(folders.map((name) => `many/${name}/image.png\n`).join(''));
    expect((await readdir(inFolder('many'))).sort()).toEqual([...folders, 'grid.png', 'summary.json']);
  });
});

describe('sgool.config.json and the environment', () => {
  it('name an option of another tool by what it means', async () => {
    await writeFile(inFolder('sgool.config.json'), '{ "cfg_scale": 7 }');
    const { code, lines } = await sgool(['generate', 'a cat', '--method', 'sd']);
    await writeFile(inFolder('sgool.config.json'), '{}');
    expect([code, lines.length]).toEqual([1, 1]);
    expect(lines[0]).toMatch(
      /^sgool: sgool\.config\.json: unknown key cfg_scale \(did you mean guidance\?\)/,
    );
  });
});
