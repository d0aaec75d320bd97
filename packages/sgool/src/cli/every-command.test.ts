/** What holds for every command: `--json` prints one JSON object and nothing else, mistakes print nothing there, signals end it with their code. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fakeStudy } from '../evaluate/study/testing.ts';
import { encodePng } from '../image/png.ts';
import { writeAdapter } from '../weights/open/store-adapter.ts';
import { STOPPED_BY } from './exit-codes.ts';
import { discImage, everyCommand, type FakeHost, runOnFakes } from './testing.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-every-'));
  await writeFile(join(dir, 'good.png'), encodePng(discImage(0)));
  await writeFile(join(dir, 'mine.txt'), 'a red cat\n');
  const names = (count: number, what: string) => Array.from({ length: count }, (_, i) => `${what} ${i}`);
  const list = { animals: names(66, 'a'), animals_objects: names(144, 'b'), objects: names(66, 'c') };
  await writeFile(join(dir, 'list.txt'), JSON.stringify(list));
  await fakeStudy(join(dir, 'ev'), { prompts: 2, seeds: 1 });
  await writeAdapter(
    join(dir, 'adapter.safetensors'),
    new Map([['down.attn2.to_k.weight', { shape: [1, 1], data: Float32Array.of(1) }]]),
    {
      ...{ method: 'separate-enhance', step: 1, sgool: '0.1.0', task: { words: ['cat'] } },
      base: { model: 'toybox', weights: ['down.attn2.to_k.weight'], fingerprint: '01' },
    } as never,
  );
  for (const out of ['made', 'stopped']) {
    let host: FakeHost | undefined;
    await runOnFakes(dir, ['generate', 'a red cat', '--seed', '1', '--out', out, '--quiet'], {
      fake: { before: (iteration) => void (out === 'stopped' && iteration === 1 && host?.interrupt()) },
      onHost: (one) => (host = one),
    });
  }
});
afterAll(() => rm(dir, { recursive: true }));

const sgool = (words: readonly string[]) =>
  runOnFakes(dir, [...words], { env: { SGOOL_DATA_DIR: join(dir, 'data') }, fake: { moves: true } });

/** By command: words that are right, and words that are not. */
const ROWS: Readonly<Record<string, { right: readonly string[]; wrong: readonly string[] }>> = {
  generate: { right: ['a cat', '--out', 'g'], wrong: ['a cat', '--steps', '0'] },
  video: { right: ['a cat', '--out', 'v'], wrong: ['a cat', '--frames', '0'] },
  refine: { right: ['good.png', 'a cat', '--out', 'r'], wrong: ['none.png', 'a cat'] },
  detail: { right: ['good.png', 'a cat', '--out', 'd'], wrong: ['none.png', 'a cat'] },
  repeat: { right: ['made/run.json', '--out', 'again'], wrong: ['good.png'] },
  runs: { right: ['.'], wrong: ['none'] },
  resume: { right: ['stopped'], wrong: ['none'] },
  saliency: {
    right: ['good.png', '--detector', 'centre', '--out', 'map.png'],
    wrong: ['good.png', '--detector', 'x'],
  },
  attention: { right: ['a red cat', '--out', 'maps.png'], wrong: ['a red cat', '--steps', '0'] },
  score: { right: ['good.png', 'a cat'], wrong: ['none.png', 'a cat'] },
  prompt: { right: ['a (red:1.2) cat'], wrong: ['a cat', '--steps', 'x'] },
  'adapters inspect': { right: ['adapter.safetensors'], wrong: ['good.png'] },
  evaluate: {
    right: ['--suite', 'mine.txt', '--methods', 'sd', '--out', 'cells', '--no-report'],
    wrong: ['--suite', 'none.txt'],
  },
  'evaluate status': { right: ['ev'], wrong: ['none'] },
  'evaluate report': { right: ['ev'], wrong: ['none'] },
  'study create': { right: ['ev', '--name', 'second', '--pairs', '1'], wrong: ['ev', '--pairs', 'x'] },
  'study report': { right: ['ev/study/default'], wrong: ['ev'] },
  'suites list': { right: [], wrong: ['more'] },
  'suites show': { right: ['mine.txt'], wrong: ['none'] },
  'suites add': { right: ['attend-and-excite', 'list.txt'], wrong: ['parti', 'list.txt'] },
  'models list': { right: [], wrong: ['more'] },
  'models inspect': { right: ['toybox'], wrong: ['none'] },
  'models verify': { right: ['toybox'], wrong: ['none'] },
  devices: { right: [], wrong: ['more'] },
  methods: { right: [], wrong: ['more'] },
};

/** Commands whose rows are in other tests: with the reason. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'finetune separate-enhance': 'needs real networks: commands/finetune.test.ts',
  'models add': 'needs weights: commands/models/models.test.ts',
  'models pull': 'needs a Hub: commands/models/models.test.ts',
  'suites pull': 'needs a server: pull-suite.test.ts',
};

/** Every command that has an option. */
const commandsWith = async (flag: string): Promise<string[]> =>
  (await everyCommand()).flatMap(([words, { options }]) =>
    options.some(({ long }) => long === flag) ? [words] : [],
  );

describe('--json', () => {
  it('has a row for every command that knows it', async () => {
    const known = [...Object.keys(ROWS), ...Object.keys(ELSEWHERE)];
    expect((await commandsWith('--json')).sort()).toEqual(known.sort());
  });

  it.each(Object.entries(ROWS))(
    '%s prints one object on stdout, or nothing and a line on stderr',
    async (name, row) => {
      const right = await sgool([...name.split(' '), ...row.right, '--json']);
      expect(right.code, right.stderr).toBe(0);
      expect(right.stdout).toMatch(/^\{.*\}\n$/);
      expect(typeof JSON.parse(right.stdout)).toBe('object');
      const wrong = await sgool([...name.split(' '), ...row.wrong, '--json']);
      expect([1, 2], wrong.stderr).toContain(wrong.code);
      expect(wrong.stdout).toBe('');
      expect(wrong.stderr.trimEnd().split('\n').at(-1)).toMatch(/^sgool: (?!unexpected).{8,}/);
    },
  );
});

describe('a signal', () => {
  const RUNS: Readonly<Record<string, readonly string[]>> = {
    generate: ['generate', 'a cat'],
    'a series': ['generate', 'a cat', '--count', '2'],
    video: ['video', 'a cat'],
    refine: ['refine', 'good.png', 'a cat'],
    repeat: ['repeat', 'made/run.json'],
    evaluate: ['evaluate', '--suite', 'mine.txt', '--methods', 'sgool', '--no-report'],
  };
  it.each(
    Object.entries(RUNS).flatMap(([name, words]) =>
      (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((signal) => ({ name, words, signal })),
    ),
  )('$signal stops $name with its exit code, and keeps what there is', async ({ name, words, signal }) => {
    let host: FakeHost | undefined;
    const out = `${signal}-${name.replace(' ', '-')}`;
    const { code, stderr } = await runOnFakes(dir, [...words, '--out', out, '--quiet'], {
      fake: { before: (iteration) => void (iteration === 1 && host?.interrupt(signal)), moves: true },
      onHost: (one) => (host = one),
    });
    expect(code, stderr).toBe(STOPPED_BY[signal]);
    expect((await readdir(join(dir, out))).length).toBeGreaterThan(0);
    expect(stderr).not.toContain('unexpected');
  });
});
