import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cellPaths, readEvaluation } from '../../evaluate/cells/run-folder.ts';
import { CellStore } from '../../evaluate/store/cell-store.ts';
import { failToMake, runOnFakes, type Setting } from '../testing.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sgool-evaluate-command-'));
  await writeFile(
    join(folder, 'mine.csv'),
    'prompt,category\na red cat,Colors\na blue dog,Colors\ntwo boats,Counting\n',
  );
});
afterAll(() => rm(folder, { recursive: true }));

const evaluate = (given: readonly string[], setting?: Setting) =>
  runOnFakes(folder, ['evaluate', ...given], { env: { SGOOL_DATA_DIR: join(folder, 'data') }, ...setting });
const run = (out: string, ...more: string[]) => evaluate(['--suite', 'mine.csv', '--out', out, ...more]);
const small = (out: string, ...more: string[]) => run(out, '--methods', 'sd,best-of,sgool', ...more);
/** Files that SQLite shares between processes come and go. */
const WITHOUT_SHARED = { recursive: true, filter: (path: string) => !/-(shm|wal)$/.test(path) };

describe('the index', () => {
  it('can be made again of the files, also where it is broken; an image that was changed is made again', async () => {
    await small('index-before');
    // A copy, since this process still has the other one open.
    await cp(join(folder, 'index-before'), join(folder, 'index'), {
      recursive: true,
      filter: (path) => !path.includes('sqlite'),
    });
    await writeFile(join(folder, 'index', 'index.sqlite'), 'broken '.repeat(1000));
    const broken = await small('index');
    expect(broken.code).toBe(1);
    expect(broken.stderr).toMatch(/index\.sqlite: cannot be used: .*sgool evaluate rebuild\n$/);
    expect((await evaluate(['rebuild', 'index'])).stderr).toBe('sgool: 9 cells, 9 done, 0 failed, 0 to do\n');
    const [{ id }] = (await readEvaluation(join(folder, 'index'))).cells;
    await writeFile(cellPaths(join(folder, 'index'), id).image, 'changed');
    expect((await evaluate(['rebuild', 'index'])).stderr).toBe(
      'sgool: 1 images are missing or were changed; they are made again\nsgool: 9 cells, 8 done, 0 failed, 1 to do\n',
    );
    expect((await small('index')).code).toBe(0);
  });

  it('is made by retry where it is missing', async () => {
    const words = ['--suite', 'mine.csv', '--out', 'retried', '--methods', 'sd,sgool', '--no-equal-cost'];
    await evaluate(words, { fake: { before: (i) => void (i === 2 && failToMake()) } });
    await cp(join(folder, 'retried'), join(folder, 'copied'), {
      recursive: true,
      filter: (path) => !path.includes('sqlite'),
    });
    expect((await evaluate(['retry', 'copied', '--all'])).stderr).toMatch(/^sgool: 3 cells wait again;/);
  });

  it('is made by status where it is missing', async () => {
    await small('no-index');
    for (const ending of ['', '-wal', '-shm'])
      await rm(join(folder, 'no-index', `index.sqlite${ending}`), { force: true });
    expect((await evaluate(['status', 'no-index'])).stdout).toMatch(/^done +9$/m);
  });

  it('is not made again under a process that is at work', async () => {
    await run('busy', '--methods', 'sd');
    const store = CellStore.open(join(folder, 'busy'));
    store.heartbeat({ owner: 'w', host: hostname(), process: process.pid });
    const { code, stderr } = await evaluate(['rebuild', 'busy']);
    expect([code, stderr]).toEqual([
      1,
      `sgool: ${join(folder, 'busy')}: process ${process.pid} on ${hostname()} is at work in it; stop it first, or wait for it\n`,
    ]);
    store.close();
  });
});

describe('a scorer that is added later', () => {
  const description = {
    image: { input: 'image', size: 16, resize: 'squash' },
    scale: 'made up',
    higherIsBetter: true,
    averaged: true,
  };
  beforeAll(async () => {
    const model = new URL('../../../../../fixtures/data/ops-scorer-transformer-script.onnx', import.meta.url);
    await cp(model, join(folder, 'taste.onnx'));
    await writeFile(join(folder, 'taste.json'), JSON.stringify(description));
  });

  it('scores the images that are there, and extends the list of scores', async () => {
    await small('later');
    const before = await readEvaluation(join(folder, 'later'));
    const { code, stderr } = await small('later', '--scorer', 'onnx:taste.onnx');
    expect(code).toBe(0);
    expect(stderr).toContain('sgool: 9 cells: 0 done, 0 failed, 9 to do');
    expect(stderr).toMatch(/9\/9 {2}mine 3 {2}sgool {2}scored again: clip_b/);
    const after = await readEvaluation(join(folder, 'later'));
    expect(after.manifest.scores.map(({ name }) => name)).toEqual([
      ...before.manifest.scores.map(({ name }) => name),
      'taste',
    ]);
    for (const [i, { record }] of after.cells.entries()) {
      const old = before.cells[i].record;
      expect(record).toMatchObject({ ...old, scores: { taste: expect.any(Number) } });
    }
    expect((await small('later', '--scorer', 'onnx:taste.onnx')).stderr).toContain('9 cells: 9 done');
  });

  it('to one share is a score of the whole', async () => {
    const share = (number: number, ...more: string[]) =>
      run(`share-${number}`, '--methods', 'sd', '--shard', `${number}/2`, ...more);
    await share(1);
    await share(2, '--scorer', 'onnx:taste.onnx');
    expect((await evaluate(['merge', 'shares', 'share-1', 'share-2'])).code).toBe(0);
    const { manifest, cells } = await readEvaluation(join(folder, 'shares'));
    expect(manifest.scores.at(-1)?.name).toBe('taste');
    const tasted = cells.filter(({ record }) => record?.status === 'done' && 'taste' in record.scores);
    expect(tasted.map(({ prompt }) => prompt)).toEqual(['2']);
  });

  it('is missed in one line where the command leaves it out', async () => {
    const { code, stderr } = await small('later');
    expect(code).toBe(0);
    expect(stderr).toContain(
      'sgool: warning: the evaluation also has taste; what is made now goes without, until --scorer names them\n',
    );
  });

  it('that fails leaves notes, which status shows and retry lets be tried again', async () => {
    await small('notes');
    await writeFile(join(folder, 'taste.json'), JSON.stringify({ ...description, index: 5 }));
    const { code, stderr } = await small('notes', '--scorer', 'onnx:taste.onnx');
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /1\/9 {2}mine 1 {2}sd {2}not scored: taste: scorer onnx: .*index: the output score/,
    );
    const { stdout } = await evaluate(['status', 'notes']);
    expect(stdout).toMatch(/^not scored: mine 1, sd: taste: /m);
    await writeFile(join(folder, 'taste.json'), JSON.stringify(description));
    expect((await evaluate(['retry', 'notes'])).stderr).toContain(
      '0 cells wait again, 9 images are scored again;',
    );
    expect((await small('notes', '--scorer', 'onnx:taste.onnx')).stderr).toContain('scored again: ');
    const { cells } = await readEvaluation(join(folder, 'notes'));
    for (const { record } of cells) expect(record).toMatchObject({ scores: { taste: expect.any(Number) } });
  });
});

describe('what cannot be run is named in one line, and nothing is lost', () => {
  beforeAll(async () => {
    await run('there', '--methods', 'sd', '--limit', '1');
    const manifest = JSON.parse(await readFile(join(folder, 'there', 'evaluation.json'), 'utf8'));
    const variants: Record<string, (m: typeof manifest) => void> = {
      'other-model': (m) => void (m.model = { name: 'sd-1.4', hash: 'abcdef0123456789' }),
      'other-device': (m) => void (m.device = 'webgpu'),
      newer: (m) => void (m.format = 2),
      'other-scores': (m) => void (m.scores[0].weights = 'abcdef'),
    };
    for (const [name, change] of Object.entries(variants)) {
      await cp(join(folder, 'there'), join(folder, name), WITHOUT_SHARED);
      const changed = structuredClone(manifest);
      change(changed);
      await writeFile(join(folder, name, 'evaluation.json'), JSON.stringify(changed));
    }
    await cp(join(folder, 'there'), join(folder, 'newer-index'), WITHOUT_SHARED);
    const database = new DatabaseSync(join(folder, 'newer-index', 'index.sqlite'));
    database.exec('PRAGMA user_version = 9');
    database.close();
    await writeFile(join(folder, 'file'), 'a file');
  });

  const one = ['--suite', 'mine.csv', '--methods', 'sd', '--limit', '1'];
  it.each([
    [[], 2, 'evaluate: needs --suite; see sgool suites list'],
    [['--suite', 'nope'], 2, 'unknown, got nope'],
    [['--suite', 'csp'], 2, 'csp'],
    [
      ['--suite', 'mine.csv', '--methods', 'sd,nope'],
      2,
      '--methods: unknown method, got nope; choose from sd, clip-guided, doodl, sgool, best-of',
    ],
    [['--suite', 'mine.csv', '--methods', ''], 2, '--methods: unknown method, got nothing'],
    [['--suite', 'mine.csv', '--methods', 'sd,sd'], 2, 'two methods are called sd'],
    [
      ['--suite', 'mine.csv', '--variant', 'x'],
      2,
      '--variant: not usable, got x; write "label: method key=value',
    ],
    [['--suite', 'mine.csv', '--variant', 'x: nope'], 2, '--variant x: unknown method, got nope'],
    [
      ['--suite', 'mine.csv', '--variant', 'x: sd steps'],
      2,
      '--variant x: not usable, got steps; write key=value',
    ],
    [['--suite', 'mine.csv', '--variant', 'x: sd steps=2 steps=3'], 2, 'steps is given twice'],
    [
      ['--suite', 'mine.csv', '--variant', 'x: sd stepz=2'],
      2,
      '--variant x: stepz: there is no such setting',
    ],
    [['--suite', 'mine.csv', '--variant', 'x: sd steps=0'], 2, '--variant x: steps'],
    [
      ['--suite', 'mine.csv', '--variant', 'x: sd preset=nope'],
      2,
      '--variant x: preset: not usable, got nope',
    ],
    [['--suite', 'mine.csv', '--variant', 'x: sd iterations=3'], 2, 'iterations'],
    [
      ['--suite', 'mine.csv', '--reference', 'nope'],
      2,
      '--reference: is none of the methods, got nope; choose from sd',
    ],
    [['--suite', 'mine.csv', '--limit', '0'], 2, '--limit: not usable, got 0; give a whole number from 1'],
    [['--suite', 'mine.csv', '--seeds', 'x'], 2, '--seeds: not usable, got x'],
    [['--suite', 'mine.csv', '--seed', '-1'], 2, '--seed: '],
    [
      ['--suite', 'mine.csv', '--only', 'nope'],
      2,
      '--only: suite mine has no nope; it has the categories Colors, Counting',
    ],
    [['--suite', 'mine.csv', '--shard', '3/2'], 2, '--shard: not usable, got 3/2; write i/n'],
    [['--suite', 'mine.csv', '--out', ''], 2, '--out: needs the name of a folder, got nothing'],
    [
      ['--suite', 'mine.csv', '--scorer', 'nope'],
      2,
      '--scorer: not usable, got nope; choose from clip, judge, hps-v1',
    ],
    [['--suite', 'mine.csv', '--scorer', 'aesthetic'], 2, 'aesthetic=<file>, onnx:<file>'],
    [['--suite', 'mine.csv', '--scorer', 'clip=x'], 2, '--scorer: not usable, got clip=x'],
    [
      ['--suite', 'mine.csv', '--scorer', 'judge'],
      2,
      '--scorer judge: it checks clauses, and no prompt of the suites has any',
    ],
    [['--suite', 'toybox', '--scorer', 'judge'], 2, '--scorer judge: it sees images of 128 x 128 pixels'],
    [['--suite', 'mine.csv', '--scorer', 'hps-v2'], 1, 'scorer hps-v2: its weights are not here'],
    [['--suite', 'mine.csv', '--scorer', 'onnx:none.onnx'], 1, 'none.onnx: there is no such file'],
    [['--suite', 'mine.csv', '--scorer', 'aesthetic=none.pth'], 1, 'none.pth'],
    [['--suite', 'mine.csv', '--model', 'nope'], 1, 'model: unknown, got nope'],
    [['--suite', 'mine.csv', '--nope'], 2, 'nope'],
    [[...one, '--out', 'file'], 1, 'file'],
    [
      [...one, '--seeds', '2', '--out', 'there'],
      2,
      'holds another evaluation: other seeds; give another folder, or the command that began it: sgool evaluate',
    ],
    [[...one, '--out', 'other-model'], 2, 'holds another evaluation: model sd-1.4 (abcdef01), not toybox ('],
    [[...one, '--out', 'other-device'], 2, 'holds another evaluation: device webgpu, not cpu'],
    [[...one, '--out', 'other-scores'], 2, '--scorer: '],
    [
      [...one, '--out', 'newer'],
      1,
      'evaluation.json: a newer sgool wrote it (format 2), this one reads up to 1',
    ],
    [[...one, '--out', 'newer-index'], 1, 'index.sqlite: a newer sgool made it (version 9)'],
    [['status', 'none'], 1, 'none: is no evaluation, it has no evaluation.json'],
    [['status'], 2, 'folder'],
    [['status', 'there', '--limit', '3'], 2, "unknown option '--limit'"],
    [['retry', 'none'], 1, 'is no evaluation'],
    [['rebuild', 'none'], 1, 'is no evaluation'],
    [['merge', 'x', 'none'], 1, 'is no evaluation'],
    [['merge', 'of-two-weights', 'there', 'other-scores'], 2, 'by other weights'],
  ])('%j', async (given, wanted, message) => {
    const { code, stderr, stdout } = await evaluate(given as string[]);
    const lines = stderr.trimEnd().split('\n');
    expect(lines.at(-1)).toContain(message);
    expect(lines).toHaveLength(1);
    expect(stdout).toBe('');
    expect(code).toBe(wanted);
  });
});
