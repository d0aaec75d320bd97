/** Every option that names what is written, with every kind of place where nothing can be: one line, exit code 1 or 2, nothing lost. */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakeStudy } from '../evaluate/study/testing.ts';
import { encodePng } from '../image/png.ts';
import { discImage, runOnFakes } from './testing.ts';

const ESCAPE = 'a\u001b[31m\u009b2J\u202eb\rc';

let dir: string;
const server = createServer();
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-bad-out-'));
  await writeFile(join(dir, 'good.png'), encodePng(discImage(0)));
  await writeFile(join(dir, 'words'), 'some words');
  await writeFile(join(dir, ESCAPE), 'some words');
  await writeFile(join(dir, 'mine.txt'), 'a cat\n');
  await symlink('loop2', join(dir, 'loop'));
  await symlink('loop', join(dir, 'loop2'));
  for (const ending of ['.png', '.csv']) await symlink(`loop2${ending}`, join(dir, `loop${ending}`));
  for (const ending of ['.png', '.csv']) await symlink(`loop${ending}`, join(dir, `loop2${ending}`));
  await fakeStudy(join(dir, 'ev'), { prompts: 2, seeds: 1 });
  const { code } = await runOnFakes(dir, ['generate', 'a cat', '--seed', '1', '--out', 'made', '--quiet']);
  expect(code).toBe(0);
  await mkdir(join(dir, 'full'));
  await writeFile(join(dir, 'full', 'mine'), 'not of sgool');
  if (process.platform === 'win32') return;
  execFileSync('mkfifo', [join(dir, 'pipe')]);
  await new Promise<void>((listening) => server.listen(join(dir, 'socket'), listening));
});
afterAll(async () => {
  server.close();
  await rm(dir, { recursive: true });
});

/** Where nothing can be written, whatever it is. */
const NOWHERE: readonly (readonly [kind: string, place: string])[] = [
  ['below a file', 'words/x'],
  ['in a circle of links', 'loop'],
  ['below a circle of links', 'loop/x'],
  ['below a device', '/dev/full/x'],
  ['below a pipe', 'pipe/x'],
  ['in a folder of the system', '/proc/sgool/x'],
  ['a long name', 'x'.repeat(300)],
  ['a long part', `${'x'.repeat(300)}/x`],
  ['below a file whose name has escape sequences', `${ESCAPE}/x`],
  ['an empty name', ''],
  ['spaces', '  '],
];
/** Files, where a folder is to be. */
const FILES: readonly (readonly [kind: string, place: string])[] = [
  ['a file', 'words'],
  ['a socket', 'socket'],
  ['a pipe', 'pipe'],
  ['a device', '/dev/full'],
  ['a device without end', '/dev/zero'],
  ['a picture', 'good.png'],
];

interface Door {
  readonly name: string;
  readonly words: (place: string) => readonly string[];
  /** The ending of what is written; none for a folder. */
  readonly ending?: string;
  /** In the environment instead. */
  readonly variable?: string;
}

const door = (name: string, words: readonly string[], ending?: string): Door => ({
  name,
  words: (place) => [...words, '--out', place],
  ...(ending === undefined ? {} : { ending }),
});
const DOORS: readonly Door[] = [
  door('generate', ['generate', 'a cat']),
  door('generate, a series', ['generate', 'a cat', '--count', '2']),
  door('video', ['video', 'a cat', '--frames', '2']),
  door('refine', ['refine', 'good.png', 'a cat']),
  door('detail', ['detail', 'good.png', 'a cat']),
  door('repeat', ['repeat', 'made/run.json']),
  door('evaluate', ['evaluate', '--suite', 'mine.txt', '--methods', 'sd']),
  door('evaluate report', ['evaluate', 'report', 'ev']),
  door('study report', ['study', 'report', 'ev/study/default']),
  { name: 'evaluate merge', words: (place) => ['evaluate', 'merge', place, 'ev'] },
  door('saliency', ['saliency', 'good.png', '--detector', 'centre'], '.png'),
  door('attention', ['attention', 'a cat'], '.png'),
  door('score', ['score', 'good.png', 'a cat'], '.csv'),
  { name: 'suites add', words: () => ['suites', 'add', 'parti', 'mine.txt'], variable: 'SGOOL_DATA_DIR' },
  { name: 'models add', words: () => ['models', 'add', 'hps', 'good.png'], variable: 'SGOOL_DATA_DIR' },
];

const cases = DOORS.flatMap((one) =>
  (one.ending === undefined ? [...NOWHERE, ...FILES] : NOWHERE).map(([kind, place]) => ({
    ...one,
    kind,
    // An empty name stays one.
    place: one.ending === undefined || place.trim() === '' ? place : place + one.ending,
  })),
);

describe.skipIf(process.platform !== 'linux')('a bad output', () => {
  it.each(cases)('$name: $kind', async ({ words, place, variable }) => {
    const env =
      variable === undefined ? {} : { [variable]: place.startsWith('/') ? place : join(dir, place) };
    const { code, stdout, stderr } = await runOnFakes(dir, [...words(place)], {
      env: { SGOOL_DATA_DIR: join(dir, 'data'), ...env },
      fake: { moves: true },
    });
    expect([1, 2], stderr).toContain(code);
    expect(stderr).not.toMatch(/unexpected|\.tmp/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be there
    expect(stderr + stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
    expect(stderr.trimEnd().split('\n').at(-1)).toMatch(/^sgool: .{8,}$/);
    expect(stdout).toBe('');
  });

  it('nothing is left by what was refused, and what was there is as it was', async () => {
    const names = ['ev', 'full', 'good.png', 'made', 'mine.txt', 'pipe', 'socket', 'words'];
    const links = ['', '.png', '.csv'].flatMap((ending) => [`loop${ending}`, `loop2${ending}`]);
    expect((await readdir(dir)).sort()).toEqual([ESCAPE, ...names, ...links].sort());
    expect(await readFile(join(dir, 'words'), 'utf8')).toBe('some words');
    expect(await readFile(join(dir, 'good.png'))).toEqual(Buffer.from(encodePng(discImage(0))));
    expect((await readdir(join(dir, 'ev'))).sort()).toEqual(
      expect.arrayContaining(['cells', 'evaluation.json', 'study']),
    );
  });

  it.each(['é猫 ünï', '-leading', 'a b', "it's", '%s%n', '..hidden'])(
    'an odd name is a name: %j',
    async (name) => {
      const out = join(name, 'in it');
      const { code, stderr } = await runOnFakes(dir, [
        'generate',
        'a cat',
        '--method',
        'sd',
        `--out=${out}`,
        '--quiet',
      ]);
      expect([code, stderr]).toEqual([0, '']);
      expect(await readdir(join(dir, out))).toEqual(expect.arrayContaining(['image.png', 'run.json']));
    },
  );
});
