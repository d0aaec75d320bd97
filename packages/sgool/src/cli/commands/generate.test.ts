import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../errors.ts';
import { parseParameters } from '../../image/parameters.ts';
import { readPngText } from '../../image/png-text.ts';
import { METHOD_NAMES, methods } from '../../methods/index.ts';
import { SETTINGS } from '../../request/settings/index.ts';
import { defined } from '../../testing.ts';
import { runCli } from '../cli.ts';
import { fakeEngine, fakeHost, runOnFakes, type Setting } from '../testing.ts';

let cwd: string;
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'sgool-cli-'));
});
afterEach(() => rm(cwd, { recursive: true }));

const sgool = (argv: readonly string[], setting?: Setting) => runOnFakes(cwd, argv, setting);

const generate = (...argv: string[]) => ['generate', 'a red cat', '--seed', '5', '--out', 'out', ...argv];
const inFolder = (name: string) => join(cwd, 'out', name);
const json = async (argv: readonly string[], setting?: Setting) =>
  JSON.parse((await sgool([...argv, '--json'], setting)).stdout);

describe('generate', () => {
  it('leaves every image and the record of the run', async () => {
    const { code, stdout } = await sgool(generate());
    expect(code).toBe(0);
    expect(stdout.trim()).toMatch(/image\.png$/);
    expect((await readdir(join(cwd, 'out'))).sort()).toEqual([
      'before.png',
      'image.png',
      'progress.png',
      'run.json',
      'saliency.png',
    ]);
    const record = JSON.parse(await readFile(inFolder('run.json'), 'utf8'));
    expect(record).toMatchObject({ prompt: 'a red cat', seed: 5 });
  });

  it('writes into the image what other tools read, and leaves it out on request', async () => {
    await sgool(generate());
    const text = readPngText(await readFile(inFolder('image.png')));
    const { prompt, settings } = parseParameters(defined(text.parameters));
    expect(prompt).toBe('a red cat');
    expect(settings).toMatchObject({ Seed: '5' });
    expect(JSON.parse(defined(text.sgool))).toMatchObject({ request: { prompt: 'a red cat' } });
    await sgool(generate('--no-metadata', '--out', 'bare'));
    expect(readPngText(await readFile(join(cwd, 'bare', 'image.png')))).toEqual({});
  });

  it('prints one JSON object with --json', async () => {
    const result = await json(generate());
    expect(result).toMatchObject({
      method: 'sgool',
      seed: 5,
      prompt: 'a red cat',
      truncated: false,
      clip: { before: { A: 20, B: 19 }, after: { A: 23, B: 22 } },
      evaluations: { forward: 40, pullback: 15 },
    });
    for (const key of ['seconds', 'peakMemoryBytes', 'paths', 'loss']) expect(result).toHaveProperty(key);
  });

  it('reports each iteration in a line of JSON where stderr is no terminal', async () => {
    const { stderr } = await sgool(generate());
    const lines = stderr.split('\n').filter((line) => line.startsWith('{'));
    expect(lines.map((line) => JSON.parse(line).iteration)).toEqual([0, 1, 2, 3]);
    expect((await sgool(generate('--quiet'))).stderr).not.toContain('{');
    expect((await sgool(generate(), { isTTY: true })).stderr).not.toContain('{"iteration"');
  });

  it('says that a negative prompt has no effect without guidance', async () => {
    const note = /the negative prompt has no effect: the guidance scale is 1, and guidance begins above 1/;
    const args = generate('--negative', 'blur', '--guidance-scale');
    expect((await sgool([...args, '1'])).stderr).toMatch(note);
    for (const more of [[...args, '3'], generate('--guidance-scale', '1')]) {
      expect((await sgool(more)).stderr).not.toMatch(/negative prompt/);
    }
  });

  it('keeps the best image, not the last', async () => {
    const result = await json(generate(), { fake: { scores: [20, 29, 21, 25] } });
    expect(result.clip.after.A).toBe(29);
  });

  it('never writes over an earlier run', async () => {
    await sgool(generate());
    const first = await readFile(inFolder('run.json'), 'utf8');
    const { code, stdout, stderr } = await sgool(generate('--iterations', '1'));
    if (code === 0) expect(stdout).not.toContain(join('out', 'image.png'));
    else expect(stderr).toMatch(/^sgool: /);
    expect(await readFile(inFolder('run.json'), 'utf8')).toBe(first);
  });

  it('hashes the weights while it runs, and names them in every record', async () => {
    const weightsPath = join(cwd, 'model.ckpt');
    await writeFile(weightsPath, 'abc');
    expect(await sgool(generate(), { fake: { weightsPath } })).toMatchObject({ code: 0 });
    const record = JSON.parse(await readFile(inFolder('run.json'), 'utf8'));
    expect(record).toMatchObject({ modelHash: 'ba7816bf8f' });
    const { parameters } = readPngText(await readFile(inFolder('before.png')));
    expect(parameters).toMatch(/Model hash: ba7816bf8f/);
  });

  it('stops at Ctrl-C while it hashes, and keeps the image that it has', async () => {
    const weightsPath = join(cwd, 'large.ckpt');
    await writeFile(weightsPath, '');
    // Some minutes of hashing.
    await truncate(weightsPath, 2 ** 37);
    const host = fakeHost(cwd, {
      engine: fakeEngine({
        weightsPath,
        before: (iteration) => {
          if (iteration === 0) setTimeout(() => host.interrupt(), 50);
        },
      }),
    });
    expect(await runCli(generate(), host)).toBe(130);
    const record = JSON.parse(await readFile(inFolder('run.json'), 'utf8'));
    expect(record).toMatchObject({ status: 'stopped' });
    expect(record).not.toHaveProperty('modelHash');
    expect(await readdir(join(cwd, 'out'))).toContain('image.png');
  });

  it('stops at Ctrl-C with the best so far', async () => {
    const host = fakeHost(cwd, {
      engine: fakeEngine({
        before: (iteration) => {
          if (iteration === 2) host.interrupt();
        },
      }),
    });
    expect(await runCli(generate(), host)).toBe(130);
    expect(await readdir(join(cwd, 'out'))).toEqual(expect.arrayContaining(['image.png', 'run.json']));
  });

  it('keeps what was made when a gradient is not a number', async () => {
    const before = (iteration: number) => {
      if (iteration === 2) throw new UserError('sgool: iteration 2: the gradient is not finite');
    };
    const { code, stderr } = await sgool(generate(), { fake: { before } });
    expect(code).toBe(1);
    expect(stderr).toMatch(/iteration 2: the gradient is not finite/);
    expect(await readdir(join(cwd, 'out'))).toEqual(expect.arrayContaining(['before.png', 'image.png']));
  });

  it('warns of a prompt that is too long and says so in the result', async () => {
    const setting = { fake: { maxTokens: 2 } };
    expect((await sgool(generate(), setting)).stderr).toMatch(/token/);
    expect(await json(generate('--out', 'second'), setting)).toMatchObject({ truncated: true });
  });
});

it('names words that the vocabulary lacks, before anything is made', async () => {
  const { stderr } = await sgool([
    'generate',
    'a red dragon',
    '--negative-prompt',
    'dragons',
    '--out',
    'out',
  ]);
  expect(
    stderr.match(/lacks words of the (negative )?prompt, which mean nothing to it: dragons?$/gm),
  ).toEqual([
    'lacks words of the prompt, which mean nothing to it: dragon',
    'lacks words of the negative prompt, which mean nothing to it: dragons',
  ]);
});

describe('where options come from', () => {
  const iterations = async (argv: readonly string[], env: Record<string, string> = {}) =>
    (await json(generate(...argv, '--method', 'doodl', '--out', `o${Math.random()}`), { env })).loss.length -
    1;

  it('is the command line, then the environment, then the file, then the defaults', async () => {
    expect(await iterations([])).toBe(3);
    await writeFile(join(cwd, 'sgool.config.json'), JSON.stringify({ iterations: 4 }));
    expect(await iterations([])).toBe(4);
    expect(await iterations([], { SGOOL_ITERATIONS: '5' })).toBe(5);
    expect(await iterations(['--iterations', '6'], { SGOOL_ITERATIONS: '5' })).toBe(6);
  });
});

describe('options of another method', () => {
  it('are passed over with one line where the environment or the file has them', async () => {
    await writeFile(join(cwd, 'sgool.config.json'), JSON.stringify({ keep: 'loss' }));
    const setting = { env: { SGOOL_LAMBDA: '2' } };
    const { code, stderr } = await sgool(generate('--method', 'sd'), setting);
    expect(code).toBe(0);
    expect(stderr.split('\n')[0]).toBe(
      'sgool: SGOOL_LAMBDA and keep in sgool.config.json are passed over: method sd has no such options',
    );
    expect((await sgool(generate('--method', 'sd', '--quiet', '--out', 'second'), setting)).stderr).toBe('');
  });

  it.each(METHOD_NAMES)('are not in the record of %s, whose command makes the same again', async (method) => {
    await sgool(generate('--method', method));
    const { request, repeat } = JSON.parse(await readFile(inFolder('run.json'), 'utf8'));
    const keys = Object.keys(request).filter((key) => Object.hasOwn(SETTINGS, key));
    const { isComposed, settings } = methods[method];
    // A method made of others records the settings of those that it runs.
    if (isComposed) expect(Object.keys(settings)).toEqual(expect.arrayContaining(keys));
    else expect(keys.sort()).toEqual(Object.keys(settings).sort());
    const words = defined((repeat as string).match(/'[^']*'|\S+/g)).map((word) => word.replaceAll("'", ''));
    expect((await sgool(['generate', '--out', 'again', ...words.slice(2)])).code).toBe(0);
    const again = JSON.parse(await readFile(join(cwd, 'again', 'run.json'), 'utf8'));
    expect(again.request).toEqual(request);
  });
});

describe('mistakes end in one line', () => {
  const cases: [string, string[], number, RegExp][] = [
    ['an empty prompt', ['generate', '  ', '--out', 'out'], 2, /prompt/],
    ['an unknown method', generate('--method', 'sgol'), 2, /sgol.*sgool/],
    [
      'an option of another method',
      generate('--method', 'sd', '--lambda', '2'),
      2,
      /^sgool: --lambda: method sd has no such option; sgool has it$/m,
    ],
    [
      'an option of several other methods',
      generate('--method', 'clip-guided', '--iterations', '2'),
      2,
      /^sgool: --iterations: method clip-guided has no such option; doodl, sgool, best-of, zero-order, trust-region-search, resampling and free-init have it$/m,
    ],
    ['an unknown model', generate('--model', 'toybx'), 1, /toybx.*toybox/],
    ['a number that is none', generate('--steps', 'many'), 2, /steps.*many/],
    ['an unknown option', generate('--stpes', '3'), 2, /stpes/],
    ['an unknown command', ['genrate', 'a cat'], 2, /genrate/],
    ['an image that is not there', ['score', 'nowhere.png', 'a cat'], 1, /nowhere\.png/],
  ];
  it.each(cases)('%s', async (_what, argv, exit, message) => {
    const { code, stdout, stderr } = await sgool(argv);
    expect(code).toBe(exit);
    expect(stdout).toBe('');
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('a folder that cannot be made', async () => {
    await writeFile(join(cwd, 'taken'), 'a file');
    const { code, stderr } = await sgool(generate('--out', join('taken', 'out')));
    expect(code).toBe(1);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(/^sgool: .*taken/);
  });
});
