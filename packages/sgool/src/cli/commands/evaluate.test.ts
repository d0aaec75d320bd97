import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readEvaluation } from '../../evaluate/cells/run-folder.ts';
import { runCli } from '../cli.ts';
import { failToMake, fakeEngine, fakeHost, runOnFakes, type Setting } from '../testing.ts';

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
      'sgool evaluate --suite moves --methods sd --model toybox --limit 1 --out moves --motion toybox-motion',
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

  it('--variant takes settings by the names of their options, each once', async () => {
    const planned = ['--variant', 'x: sd guidance=3 size=32x24', '--limit', '1'];
    await run('flags', ...planned);
    const { manifest } = await readEvaluation(join(folder, 'flags'));
    expect(manifest.methods[0].settings).toMatchObject({ guidanceScale: 3, width: 32, height: 24 });
    const twice = await run('twice', '--variant', 'x: sd guidance=3 guidance-scale=4');
    expect(twice.stderr).toContain('both set the guidance scale; give one of them');
    const none = await run('none', '--variant', 'x: sd count=3');
    expect(none.stderr).toContain('--variant x: count: there is no such setting');
  });

  it.each([['--detach'], ['--queue-name', 'x'], ['--results', 's3://x/y']])(
    '%s needs a queue',
    async (...words) => {
      const { code, stderr } = await run('no-queue', ...words);
      expect(code).toBe(2);
      expect(stderr).toBe(
        `sgool: ${words[0]}: belongs to a queue, and there is none; give --queue too, or leave it out\n`,
      );
    },
  );

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
    const broken = { scores: [], before: (i: number) => void (i === 2 && failToMake()) };
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

describe('a cell that fails', () => {
  const failing = (out: string, before?: (i: number) => void) =>
    evaluate(['--suite', 'mine.csv', '--out', out, '--methods', 'sd,sgool', '--no-equal-cost'], {
      fake: { before },
    });

  it('does not end the run; status says why, and retry lets it be run again', async () => {
    const { code, stdout, stderr } = await failing('fails', (i) => void (i === 2 && failToMake()));
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
    await failing('fails-json', (i) => void (i === 2 && failToMake()));
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
