import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from '@photostructure/sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UserError } from '../../errors.ts';
import { cellPaths, readEvaluation } from '../../evaluate/cells/run-folder.ts';
import { CellStore } from '../../evaluate/store/cell-store.ts';
import { runCli } from '../cli.ts';
import { fakeEngine, fakeHost, runOnFakes, type Setting } from '../testing.ts';

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
const recordFiles = async (out: string) =>
  (await readdir(join(folder, out, 'cells'), { recursive: true })).filter((name) => name.endsWith('.json'));

/** EDICT is the default of the one, DDIM that of the others. */
/** Files that SQLite shares between processes come and go. */
const WITHOUT_SHARED = { recursive: true, filter: (path: string) => !/-(shm|wal)$/.test(path) };
const SAMPLERS = 'sgool: the methods differ in sampler: ddim (sd, best-of), edict (sgool)';

describe('a run', () => {
  it('makes every cell, prints the folder, says how far it is, and does nothing the second time', async () => {
    const { code, stdout, stderr } = await small('first');
    expect([code, stdout]).toEqual([0, 'first\n']);
    const lines = stderr.trimEnd().split('\n');
    expect(lines.shift()).toBe(SAMPLERS);
    expect(lines[0]).toBe('sgool: 9 cells: 0 done, 0 failed, 9 to do');
    expect(lines[1]).toMatch(/^sgool: 1\/9 {2}mine 1 {2}sd {2}clip_b \d+\.\d{3}, clip_a \d+\.\d{3}$/);
    expect(lines[9]).toMatch(/^sgool: 9\/9 {2}mine 3 {2}sgool/);
    expect(lines).toContainEqual(
      expect.stringMatching(/^sgool: the report is at file:.*first\/report\/index\.html$/),
    );
    const again = await small('first');
    expect(again).toMatchObject({
      code: 0,
      stdout: 'first\n',
    });
    expect(again.stderr).toContain(`${SAMPLERS}\nsgool: 9 cells: 9 done, 0 failed, 0 to do\n`);
    expect(again.stderr).toContain('sgool: the report is at ');
  });

  it('has the manifest that says what was compared, and how to do it again', async () => {
    const { manifest } = await readEvaluation(join(folder, 'first'));
    expect(manifest).toMatchObject({
      command: 'sgool evaluate --suite mine.csv --methods sd,best-of,sgool --model toybox --out first',
      reference: 'sd',
      seeds: [0],
      device: 'cpu',
      methods: [
        { label: 'sd', guides: [], selects: [] },
        { label: 'best-of', guides: [], selects: ['clip_a'] },
        { label: 'sgool', guides: ['clip_a'], selects: ['clip_a'] },
      ],
    });
    expect(manifest.scores.map(({ name }) => name)).toEqual(
      ['clip_a', 'clip_b'].flatMap((clip) => [
        clip,
        `${clip}:cosine`,
        `${clip}:clipscore`,
        `${clip}@regions`,
      ]),
    );
  });

  it('makes clips with an adapter: the one that comes with sgool, where prompts say how things move and no model is named', async () => {
    const engine = fakeEngine({ moves: true });
    const asked: unknown[] = [];
    const openPipeline: typeof engine.openPipeline = (model, options) => {
      asked.push(options.motion);
      return engine.openPipeline(model, options);
    };
    const clips = async (...argv: string[]) => {
      const host = fakeHost(folder, { engine: { ...engine, openPipeline } });
      const words = ['evaluate', '--methods', 'sd', '--limit', '1', '--no-report', ...argv];
      return { code: await runCli(words, host), ...host.written };
    };
    const { code } = await clips('--suite', 'moves', '--out', 'moves');
    expect(code).toBe(0);
    const { manifest, cells } = await readEvaluation(join(folder, 'moves'));
    expect(manifest.command).toBe(
      'sgool evaluate --suite moves --methods sd --model toybox --motion toybox-motion --limit 1 --out moves',
    );
    expect(manifest.methods[0].settings).toMatchObject({ frames: 4, promptSyntax: 'plain' });
    expect(manifest.scores.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'clip_b',
        'clip_b:least',
        'clip_b:consistency',
        'frames:motion',
        'frames:jitter',
      ]),
    );
    expect(cells[0].record).toMatchObject({
      clip: { frames: 4, fps: 8 },
      scores: { 'frames:motion': expect.any(Number) },
    });
    await clips('--suite', 'mine.csv', '--out', 'still');
    await clips('--suite', 'mine.csv', '--motion', 'mine', '--out', 'moving');
    await clips('--suite', 'moves', '--model', 'toybox', '--out', 'named');
    expect(asked).toEqual(['toybox-motion', undefined, 'mine', undefined]);
    const pictures = await evaluate([
      '--suite',
      'moves',
      '--methods',
      'sd',
      '--limit',
      '1',
      '--out',
      'pictures',
      '--no-report',
      '--model',
      'toybox',
    ]);
    expect(pictures.stderr).toContain(
      'toybox makes pictures, so how things move is not judged; for clips: --motion toybox-motion',
    );
  });

  it('--json prints one object, and --quiet nothing else', async () => {
    const { stdout, stderr } = await small('json', '--json', '--quiet');
    expect(JSON.parse(stdout)).toEqual({
      folder: join(folder, 'json'),
      waiting: 0,
      running: 0,
      done: 9,
      failed: 0,
      total: 9,
      report: join(folder, 'json', 'report', 'index.html'),
    });
    expect(stderr).toBe('');
  });

  it('--limit, --only, --seeds and --seed choose what is run', async () => {
    const planned = async (out: string, ...more: string[]) => {
      await run(out, '--methods', 'sd', ...more);
      return (await readEvaluation(join(folder, out))).cells.map(({ prompt, seed }) => `${prompt}/${seed}`);
    };
    expect(await planned('limit', '--limit', '2')).toEqual(['1/0', '2/0']);
    expect(await planned('only', '--only', 'Counting, 1')).toEqual(['1/0', '3/0']);
    expect(await planned('seeds', '--seeds', '2', '--seed', '7', '--limit', '1')).toEqual(['1/7', '1/8']);
    expect(await planned('large', '--seed', '18446744073709551615', '--limit', '1')).toEqual([
      '1/18446744073709551615',
    ]);
  });

  it('--variant adds columns with settings of their own; alone it is the whole table', async () => {
    const { stderr } = await run(
      'variant',
      '--variant',
      'short: sgool steps=7 keep=last',
      '--variant',
      'edict: sd sampler=edict',
      '--no-equal-cost',
    );
    const { manifest } = await readEvaluation(join(folder, 'variant'));
    expect(manifest.methods.map(({ label, method }) => `${label} ${method}`)).toEqual([
      'short sgool',
      'edict sd',
    ]);
    expect(manifest.methods[0]).toMatchObject({
      settings: { steps: 7, keep: 'last' },
      guides: ['clip_a'],
      selects: [],
    });
    expect(manifest.command).toContain("--variant 'short: sgool steps=7 keep=last'");
    expect(stderr).toContain('the methods differ in steps: 7 (short)');
    expect(stderr).toContain('sgool: best-of is not among the methods');
  });

  it('has best-of at the cost of the dearest method, as if it had been asked for', async () => {
    const words = ['--methods', 'sd,sgool', '--limit', '1'];
    await run('equal', ...words);
    const { manifest } = await readEvaluation(join(folder, 'equal'));
    expect(manifest.methods.map(({ label, settings }) => [label, settings.iterations])).toEqual([
      ['sd', undefined],
      ['sgool', 3],
      ['best-of', 3],
    ]);
    expect((await run('equal', ...words)).stderr).toContain('3 cells: 3 done, 0 failed, 0 to do');
    const without = await run('equal', ...words, '--no-equal-cost');
    expect(without.stderr).toContain('holds another evaluation: other methods');
    await run('alone', ...words, '--no-equal-cost');
    expect((await readEvaluation(join(folder, 'alone'))).manifest).toMatchObject({
      methods: [{ label: 'sd' }, { label: 'sgool' }],
      command: expect.stringMatching(/ --out alone --no-equal-cost$/),
    });
  });

  it('on a terminal there is one bar with the time left, and failures stay above it', async () => {
    const broken = { scores: [], before: (i: number) => void (i === 2 && fail()) };
    const { stderr } = await evaluate(
      ['--suite', 'mine.csv', '--out', 'bar', '--methods', 'sd,sgool', '--no-equal-cost'],
      {
        isTTY: true,
        fake: broken,
      },
    );
    const bars = stderr.split('\r\x1b[2K').map((part) => part.split('\n')[0]);
    expect(bars).toContainEqual(expect.stringMatching(/^\[\.{20}\] {2}mine 1, sd, 0\/0, step 1\/5$/));
    expect(bars).toContainEqual(expect.stringMatching(/^3\/6 \[#{10}\.{10}\].* {2}mine 2, sd$/));
    expect(stderr).toContain('sgool: mine 1, sgool: failed: unet: not finite\n');
    for (const bar of bars) expect(bar.length).toBeLessThan(120);
  });

  it('says which prompts are too long, once and not for each cell', async () => {
    const long = ['a red cat and a blue dog', 'one', 'b red cat and a blue dog'];
    await writeFile(join(folder, 'long.txt'), long.join('\n'));
    const { stderr } = await evaluate(['--suite', 'long.txt', '--out', 'long', '--methods', 'sd,best-of'], {
      fake: { maxTokens: 3 },
    });
    const warnings = stderr.split('\n').filter((line) => line.includes('only the beginning'));
    expect(warnings).toEqual([
      'sgool: warning: the model reads only the beginning of 2 of 3 prompts: long 1, long 3',
      'sgool: warning: clip_a reads only the beginning of 2 of 3 prompts: long 1, long 3',
      'sgool: warning: clip_b reads only the beginning of 2 of 3 prompts: long 1, long 3',
    ]);
  });
});

it('says which words of prompts mean nothing to the model and its CLIPs', async () => {
  await writeFile(join(folder, 'far.txt'), ['a red dragon', 'one cat', 'two dragons'].join('\n'));
  const { stderr } = await evaluate([
    '--suite',
    'far.txt',
    '--out',
    'far',
    '--methods',
    'sd',
    '--no-equal-cost',
  ]);
  const lines = stderr.split('\n').filter((line) => line.includes('lacks'));
  expect(lines).toEqual(
    ['the model', 'clip_a', 'clip_b'].map(
      (who) =>
        `sgool: warning: the vocabulary of ${who} lacks words of 2 of 3 prompts, which mean nothing to it: dragon, dragons (far 1, far 3)`,
    ),
  );
});

function fail(): never {
  throw new UserError('unet: not finite');
}

describe('a cell that fails', () => {
  const failing = (out: string, before?: (i: number) => void) =>
    evaluate(['--suite', 'mine.csv', '--out', out, '--methods', 'sd,sgool', '--no-equal-cost'], {
      fake: { before },
    });

  it('does not end the run; status says why, and retry lets it be run again', async () => {
    const { code, stdout, stderr } = await failing('fails', (i) => void (i === 2 && fail()));
    expect(code).toBe(1);
    expect(stdout).toBe('fails\n');
    expect(stderr).toContain('sgool: 2/6  mine 1  sgool  failed: unet: not finite');
    expect(stderr.trimEnd().split('\n').at(-1)).toBe(
      'sgool: 3 of 6 cells failed: sgool evaluate status fails says why',
    );
    const status = await evaluate(['status', 'fails']);
    expect(status.stdout).toMatch(/^done +3$/m);
    expect(status.stdout).toContain(
      'failed: mine 1, sgool: unet: not finite (another attempt does not help)\n',
    );
    expect((await evaluate(['retry', 'fails'])).stderr).toMatch(
      /^sgool: 0 cells wait again; 3 would fail again, --all/,
    );
    expect((await evaluate(['retry', 'fails', '--all'])).stderr).toMatch(
      /^sgool: 3 cells wait again; run them with: sgool/,
    );
    const { stdout: waiting } = await evaluate(['status', 'fails']);
    expect(waiting).toMatch(/^waiting +3$/m);
    expect(waiting).toMatch(/^go on with: sgool evaluate --suite mine\.csv/m);
    const again = await failing('fails');
    expect(again.code).toBe(0);
    expect(again.stderr).toContain('6 cells: 3 done, 0 failed, 3 to do');
  });

  it('is in the JSON of status, with its suite, prompt, seed and method', async () => {
    await failing('fails-json', (i) => void (i === 2 && fail()));
    const { stdout } = await evaluate(['status', 'fails-json', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      folder: join(folder, 'fails-json'),
      done: 3,
      failed: 3,
      workers: [],
      failures: [
        {
          suite: 'mine',
          prompt: '1',
          seed: '0',
          method: 'sgool',
          error: 'unet: not finite',
          attempts: 1,
          retry: false,
        },
        {},
        {},
      ],
      notes: [],
    });
  });
});

describe('stopping', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s keeps what is finished, and the same command goes on', async (signal, wanted) => {
    const out = `stop-${signal}`;
    const words = ['evaluate', '--suite', 'mine.csv', '--out', out, '--methods', 'sd'];
    let calls = 0;
    const host = fakeHost(folder, {
      engine: fakeEngine({ before: () => void (++calls === 2 && host.interrupt(signal)) }),
    });
    expect(await runCli(words, host)).toBe(wanted);
    expect(host.written.stderr).toContain('sgool: stopping, what is finished is kept');
    expect(host.written.stderr).toMatch(new RegExp(`sgool: stopped; the same command goes on in ${out}\\n$`));
    expect(await recordFiles(out)).toHaveLength(1);
    expect(host.exits).toEqual([]);
    expect((await evaluate(words.slice(1))).code).toBe(0);
    expect(await recordFiles(out)).toHaveLength(3);
  });

  it('the second one ends the process at once', async () => {
    const words = ['evaluate', '--suite', 'mine.csv', '--out', 'twice', '--methods', 'sd'];
    const host = fakeHost(folder, {
      engine: fakeEngine({
        before() {
          host.interrupt();
          host.interrupt();
        },
      }),
    });
    await runCli(words, host);
    expect(host.exits).toEqual([130]);
    expect(host.written.stderr).toContain('sgool: stopped; the same command goes on in twice\n');
  });
});

describe('shares', () => {
  it('are whole prompts, disjoint, together everything; merge puts them together', async () => {
    for (const shard of ['1/2', '2/2']) await small(`part-${shard[0]}`, '--shard', shard);
    expect((await recordFiles('part-1')).length).toBe(6);
    expect((await recordFiles('part-2')).length).toBe(3);
    const missing = await evaluate(['merge', 'half', 'part-1']);
    expect(missing.stderr).toContain('3 cells are in none of the parts; run them with: sgool evaluate');
    const { code, stdout, stderr } = await evaluate(['merge', 'whole', 'part-1', 'part-2']);
    expect([code, stdout, stderr]).toEqual([0, 'whole\n', 'sgool: 9 cells, 9 done, 0 failed\n']);
    expect((await small('whole')).stderr).toContain('sgool: 9 cells: 9 done, 0 failed, 0 to do\n');
    // Twice changes nothing.
    expect((await evaluate(['merge', 'whole', 'part-1', 'part-2'])).stderr).toBe(stderr);
  });

  it('may be run in one folder, too', async () => {
    for (const shard of ['1/3', '2/3', '3/3']) expect((await small('one', '--shard', shard)).code).toBe(0);
    expect((await small('one')).stderr).toContain('sgool: 9 cells: 9 done, 0 failed, 0 to do\n');
  });

  it('of another evaluation, or without an image, are refused in one line', async () => {
    await run('alien', '--methods', 'sd');
    const other = await evaluate(['merge', 'x', 'part-1', 'alien']);
    expect(other.stderr).toMatch(
      /^sgool: .*part-1 holds another evaluation|^sgool: .*alien holds another evaluation: other methods/,
    );
    await cp(join(folder, 'part-2'), join(folder, 'part-3'), { recursive: true });
    const [png] = (await readdir(join(folder, 'part-3', 'cells'), { recursive: true })).filter((name) =>
      name.endsWith('.png'),
    );
    await rm(join(folder, 'part-3', 'cells', png));
    const { stderr, code } = await evaluate(['merge', 'y', 'part-3']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^sgool: .*part-3: the image of cell [0-9a-f]{12} is missing\n$/);
  });
});

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
    await evaluate(words, { fake: { before: (i) => void (i === 2 && fail()) } });
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
    [['--suite', 'mine.csv', '--out', ''], 2, '--out: give the folder'],
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
  ])('%j', async (given, wanted, message) => {
    const { code, stderr, stdout } = await evaluate(given as string[]);
    const lines = stderr.trimEnd().split('\n');
    expect(lines.at(-1)).toContain(message);
    expect(lines).toHaveLength(1);
    expect(stdout).toBe('');
    expect(code).toBe(wanted);
  });
});
