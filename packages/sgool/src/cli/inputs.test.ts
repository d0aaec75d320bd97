import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePng } from '../image/png.ts';
import { inputPath } from './inputs.ts';
import { readOnce, readStream } from './standard-input.ts';
import { discImage, runOnFakes } from './testing.ts';

const PNG = encodePng(discImage(0));

let cwd: string;
beforeAll(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sgool-inputs-'));
  await writeFile(join(cwd, 'disc.png'), PNG);
});
afterAll(() => rm(cwd, { recursive: true }));

const sgool = (words: readonly string[], input: string | Uint8Array = PNG) =>
  runOnFakes(cwd, words, { input });

describe('the standard input', () => {
  it.each(['-', '/dev/stdin', '/dev/fd/0', '/proc/self/fd/0'])('is meant by %s', (name) => {
    expect(inputPath(name, { cwd })).toBe('-');
  });

  it('is not meant by a path', () => {
    expect(inputPath('./-', { cwd })).toBe(join(cwd, '-'));
    expect(() => inputPath('', { cwd })).toThrow('empty name');
  });

  it.each([
    ['saliency', ['saliency', '-', '--detector', 'centre', '--out', 'map-a.png']],
    ['saliency --mask', ['saliency', 'disc.png', '--mask', '-', '--out', 'map-b.png']],
    ['score', ['score', '-', 'a cat']],
    ['refine', ['refine', '-', 'a cat', '--out', 'refined']],
    ['refine --mask', ['refine', 'disc.png', 'a cat', '--mask', '-', '--out', 'masked']],
    ['generate --mask', ['generate', 'a cat', '--mask', '-', '--out', 'made']],
  ])('%s reads a picture from it', async (_, words) => {
    const { code, stderr } = await sgool(words);
    expect([code, stderr.includes('unexpected')]).toEqual([0, false]);
  });

  it('gives the same record as a file, and repeat wants the picture again', async () => {
    expect((await sgool(['refine', '-', 'a cat', '--seed', '1', '--out', 'from-input'])).code).toBe(0);
    expect((await sgool(['refine', 'disc.png', 'a cat', '--seed', '1', '--out', 'from-file'])).code).toBe(0);
    const record = async (out: string) => JSON.parse(await readFile(join(cwd, out, 'run.json'), 'utf8'));
    const [one, two] = [await record('from-input'), await record('from-file')];
    expect(one.inputHashes).toEqual(two.inputHashes);
    expect(one.request.image).toBe('-');
    const again = await sgool(['repeat', 'from-input/run.json', '--out', 'again']);
    expect(again.code).toBe(2);
    expect(again.stderr).toMatch(
      /--image: the image from the standard input .* is not found; say where it is/,
    );
    const given = ['repeat', 'from-input/run.json', '--out', 'again', '--image'];
    expect((await sgool([...given, '-'])).code).toBe(0);
    expect((await sgool([...given, 'disc.png'])).code).toBe(0);
    expect((await sgool([...given, '-'], encodePng(discImage(1)))).stderr).toContain(
      'is not the same any more',
    );
  });

  it('is read for one argument only', async () => {
    const { code, stderr } = await sgool(['refine', '-', 'a cat', '--mask', '-']);
    expect([code, stderr]).toEqual([
      2,
      'sgool: --mask: the standard input is the image already, and can be read once; give the name of a file\n',
    ]);
    const read = readOnce(async () => Uint8Array.of(1));
    const limit = { what: 'a test', bytes: 9 };
    expect(await read('a', limit)).toBe(await read('a', limit));
    expect(() => read('b', limit)).toThrow('b: the standard input is a already');
  });

  it('has a limit, without an end being waited for', async () => {
    const endless = Readable.from(
      (function* () {
        for (;;) yield Buffer.alloc(1000);
      })(),
    );
    await expect(readStream(endless, 'x', { what: 'a test', bytes: 2048 })).rejects.toThrow(
      'cannot read x: it has more than 2 KB, which is the most for a test',
    );
    expect(endless.destroyed).toBe(true);
  });

  it('that breaks is named', async () => {
    const broken = Object.assign(new Error('EISDIR'), { code: 'EISDIR', syscall: 'read' });
    const stream = new Readable({
      read() {
        this.destroy(broken);
      },
    });
    await expect(readStream(stream, 'x', { what: 'a test', bytes: 9 })).rejects.toThrow(
      'cannot read x: it is a folder',
    );
  });
});

describe('what the machine refuses', () => {
  const system = (code: string, more = {}) =>
    Object.assign(new Error(`${code}: x`), { code, syscall: 'open', path: '/some/where', ...more });
  it.each([
    [system('EMFILE'), 'sgool: too many files are open; raise the limit (ulimit -n)'],
    [system('ELOOP'), 'sgool: cannot use /some/where: its symbolic links lead in a circle'],
    [system('EUNKNOWN'), 'sgool: cannot use /some/where: the file system refused it (EUNKNOWN)'],
    [
      new RangeError('Array buffer allocation failed'),
      'sgool: not enough memory: Array buffer allocation failed; try',
    ],
    [
      new Error('Worker terminated due to reaching memory limit: JS heap out of memory'),
      'sgool: not enough memory for JavaScript; raise its limit (NODE_OPTIONS=--max-old-space-size=',
    ],
    [new Error('std::bad_alloc'), 'sgool: not enough memory: std::bad_alloc; try'],
    [new Error('Cannot allocate memory'), 'sgool: not enough memory: Cannot allocate memory; try'],
  ])('is one line: %s', async (openError, line) => {
    const { code, stderr } = await runOnFakes(cwd, ['score', 'disc.png', 'a'], { fake: { openError } });
    expect([code, stderr.split('\n').length]).toEqual([1, 2]);
    expect(stderr.startsWith(line)).toBe(true);
  });

  it('is no bug of sgool, which is still called one', async () => {
    const fake = { openError: new TypeError('x is undefined') };
    const { stderr } = await runOnFakes(cwd, ['score', 'disc.png', 'a'], { fake });
    expect(stderr).toContain('unexpected error: x is undefined');
  });
});
