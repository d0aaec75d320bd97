/** @file `sgool finetune separate-enhance` and `sgool adapters`, on a tiny model with its real networks. */
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runSgool } from '../../../test/run-sgool.ts';
import { separateEnhance } from '../../finetune/separate-enhance.ts';
import { product } from '../../numbers.ts';
import { loadPipeline } from '../../pipeline/load-pipeline.ts';
import { writeTinyModel } from '../../pipeline/testing.ts';
import { float32Of } from '../../weights/formats/tensor-views.ts';
import { resolveModel } from '../../weights/open/locate-model.ts';
import { openComponent } from '../../weights/open/model-folder.ts';
import { writeAdapter } from '../../weights/open/store-adapter.ts';
import { runCli } from '../cli.ts';
import { engine } from '../engine.ts';
import { type FakeHost, fakeHost } from '../testing.ts';

let dir: string;
let model: Awaited<ReturnType<typeof writeTinyModel>>;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-finetune-'));
  model = await writeTinyModel({ without: ['clip_b', 'transalnet'] });
});
afterAll(async () => {
  await model.remove();
  await rm(dir, { recursive: true });
});

async function sgool(words: readonly string[], prepare: (host: FakeHost) => void = () => {}, input = '') {
  const host = fakeHost(dir, { engine, input });
  prepare(host);
  const code = await runCli(words, host);
  return { code, ...host.written };
}
const train = (out: string, ...more: string[]) => [
  ...['finetune', 'separate-enhance', '--model', model.dir, '--out', out],
  ...['--steps', '3', '--batch', '2', '--learning-rate', '1e-2', ...more],
];
const PAIR = 'a red cat and a blue boat';
const record = async (out: string) => JSON.parse(await readFile(join(dir, out, 'run.json'), 'utf8'));
const bytes = (out: string) => readFile(join(dir, out, 'adapter.safetensors'));

it('trains a prompt, draws on the way, and leaves an adapter, its losses and a record', async () => {
  const { code, stdout, stderr } = await sgool([...train('one', '--sample-every', '2'), PAIR]);
  expect({ code, stdout, stderr }).toMatchObject({ code: 0, stdout: 'one/adapter.safetensors\n' });
  expect(stderr).toMatch(/^sgool: about .* of memory/);
  const lines = stderr.split('\n').filter((line) => line.startsWith('{'));
  expect(lines.map((line) => JSON.parse(line).step)).toEqual([1, 2, 3]);
  expect((await readdir(join(dir, 'one'))).toSorted()).toEqual([
    ...['adapter.safetensors', 'curves.svg', 'losses.csv', 'run.json', 'samples.png'],
  ]);
  expect(await record('one')).toMatchObject({
    ...{ status: 'done', kind: 'finetune', method: 'separate-enhance', step: 3, steps: 3, prompt: PAIR },
    evaluations: { forward: 0, pullback: 6 },
    adapterHash: expect.stringMatching(/^[0-9a-f]{12}$/),
    request: { recipe: 'individual', words: ['cat', 'boat'], settings: { trains: 'keys', batch: 2 } },
    estimate: { seconds: expect.any(Number) },
  });
  const table = (await readFile(join(dir, 'one', 'losses.csv'), 'utf8')).trim().split('\n');
  expect(table[0]).toBe('step,total,separate,enhance,norm,gradientNorm');
  expect(table).toHaveLength(4);
  expect(table[1]).toMatch(/^1,0\.\d+,0\.\d+,0\.\d+,,0?\.?\d/);
  expect(await readFile(join(dir, 'one', 'curves.svg'), 'utf8')).toContain('>separate-enhance: a red cat');
});

it('an adapter changes what generate draws; the record and repeat know it', async () => {
  const generate = (out: string, ...more: string[]) =>
    sgool([
      'generate',
      PAIR,
      '--method',
      'sd',
      '--steps',
      '2',
      '--seed',
      '1',
      '--model',
      model.dir,
      '--out',
      out,
      ...more,
    ]);
  await generate('plain');
  const adapter = join(dir, 'one', 'adapter.safetensors');
  expect(await generate('adapted', '--adapter', adapter)).toMatchObject({ code: 0 });
  const picture = (out: string) => readFile(join(dir, out, 'image.png'));
  expect(await picture('adapted')).not.toEqual(await picture('plain'));
  const { adapterHash } = await record('one');
  expect(await record('adapted')).toMatchObject({
    adapter: { name: 'adapter', hash: adapterHash },
    request: { adapter },
  });
  const again = await sgool(['repeat', 'adapted/image.png', '--out', 'again']);
  expect(again).toMatchObject({ code: 0 });
  expect(again.stderr).not.toContain('is not the one of the record');
  expect(await picture('again')).toEqual(await picture('adapted'));
  // Another adapter of the same name.
  await sgool([...train('two', '--seed', '5'), PAIR]);
  const other = await sgool([
    'repeat',
    'adapted/image.png',
    '--out',
    'other',
    '--adapter',
    join(dir, 'two/adapter.safetensors'),
  ]);
  expect(other.stderr).toMatch(
    /the adapter adapter is not the one of the record: its hash is \w{12}, there \w{12}/,
  );
});

it('pairs of a list are trained, with the regulariser', async () => {
  await writeFile(join(dir, 'list.txt'), '# things\ncat\nred boat = boat\nleft\n');
  const templates = [
    '--template',
    'a {1} and a {2}',
    '--template',
    '{1} of {2}',
    '--single-template',
    'the {1}',
  ];
  const { code, stderr } = await sgool([...train('list', ...templates), '--concepts', 'list.txt']);
  expect(code).toBe(0);
  expect(stderr).not.toContain('lacks');
  expect((await record('list')).request).toMatchObject({
    recipe: 'large-scale',
    concepts: [{ word: 'cat' }, { phrase: 'red boat', word: 'boat' }, { word: 'left' }],
    settings: { templates: ['a {1} and a {2}', '{1} of {2}'], normWeight: 0.5 },
  });
  const same = await sgool(
    [...train('piped', ...templates), '--concepts', '-'],
    undefined,
    'cat\nred boat = boat\nleft',
  );
  expect(same.code).toBe(0);
  const [listed, piped] = [await bytes('list'), await bytes('piped')];
  expect(piped).toEqual(listed);
});

it('names words that the vocabulary lacks, of each text in one line', async () => {
  await writeFile(join(dir, 'far.txt'), 'cat\nred owl = owl\n');
  const templates = ['--template', 'x {1} and {2}', '--single-template', 'my {1}'];
  const { stderr } = await sgool([...train('far', ...templates), '--dry-run', '--concepts', 'far.txt']);
  const lines = stderr.split('\n').filter((line) => line.includes('lacks'));
  expect(lines.map((line) => line.replace(/^.* words of the /, ''))).toEqual([
    'concepts, which mean nothing to it: owl',
    'templates, which mean nothing to it: x, my',
  ]);
  const sample = ['--sample-every', '2', '--sample-prompt', 'two cats'];
  const one = await sgool([...train('near', ...sample), '--dry-run', 'a cat and a red owl']);
  expect(one.stderr).toMatch(
    /^sgool: warning: .* lacks words of the prompt, which mean nothing to it: owl$/m,
  );
  expect(one.stderr).toMatch(/lacks words of the sample prompts, which mean nothing to it: two, cats$/m);
});

describe('going on', () => {
  it('after Ctrl-C ends with the same bytes, pictures included', async () => {
    const words = [
      '--sample-every',
      '3',
      '--concepts',
      '-',
      '--template',
      'a {1} and a {2}',
      '--single-template',
      'a {1}',
    ];
    const list = 'cat\nboat\nred';
    await sgool([...train('whole', ...words)], undefined, list);
    const stopped = await sgool(
      [...train('stopped', ...words)],
      (host) => {
        const { write } = host.stderr;
        host.stderr.write = (text: string) => {
          if (text.includes('"step":1')) host.interrupt();
          write.call(host.stderr, text);
        };
      },
      list,
    );
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toMatch(
      /sgool: stopped after step \d; what is trained is in stopped; to go on: sgool resume stopped\n$/,
    );
    expect(await record('stopped')).toMatchObject({ status: 'stopped', steps: 3 });
    expect(existsSync(join(dir, 'stopped', 'adapter.safetensors'))).toBe(true);
    const runs = await sgool(['runs', '.', '--json']);
    const listed = JSON.parse(runs.stdout).runs.find(({ folder }: { folder: string }) =>
      folder.endsWith('/stopped'),
    );
    expect(listed).toMatchObject({
      status: 'stopped',
      method: 'separate-enhance',
      total: 3,
      resume: 'sgool resume stopped',
    });
    const resumed = await sgool(['resume', 'stopped']);
    expect(resumed).toMatchObject({ code: 0, stdout: 'stopped/adapter.safetensors\n' });
    expect(await bytes('stopped')).toEqual(await bytes('whole'));
    for (const name of ['samples.png', 'losses.csv', 'curves.svg']) {
      expect(await readFile(join(dir, 'stopped', name))).toEqual(await readFile(join(dir, 'whole', name)));
    }
    const finished = await sgool(['resume', 'stopped']);
    expect(finished).toMatchObject({ code: 0, stdout: 'stopped/adapter.safetensors\n' });
    expect(finished.stderr).toContain('is finished, there is nothing to go on with');
  });

  it('after kill -9 ends with the same weights', { timeout: 120_000 }, async () => {
    const words = train('killed', '--steps', '40');
    const killed = await runSgool(dir, [...words, PAIR], { interruptAt: '"step":3', signals: ['SIGKILL'] });
    expect(killed.code).not.toBe(0);
    expect(await record('killed')).toMatchObject({ status: 'running' });
    const { code, stderr } = await sgool(['resume', 'killed']);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const steps = stderr
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line).step);
    expect(steps[0]).toBeGreaterThan(1);
    expect(steps.at(-1)).toBe(40);
    await sgool([...train('unhurt', '--steps', '40'), PAIR]);
    expect(await bytes('killed')).toEqual(await bytes('unhurt'));
  });

  it('is refused where the weights of the model have changed', async () => {
    const other = await writeTinyModel({ without: ['clip', 'clip_b', 'transalnet'] });
    try {
      const words = [
        'finetune',
        'separate-enhance',
        '--model',
        other.dir,
        '--out',
        'moved',
        '--steps',
        '3',
        PAIR,
      ];
      await sgool(words, (host) => {
        const { write } = host.stderr;
        host.stderr.write = (text: string) => {
          if (text.includes('"step":1')) host.interrupt();
          write.call(host.stderr, text);
        };
      });
      const unet = join(other.dir, 'unet', 'diffusion_pytorch_model.safetensors');
      const changed = await readFile(unet);
      for (let at = changed.length - 4000; at < changed.length; at++) changed[at] = 0;
      const { separateEnhance: begin } = engine;
      expect(begin).toBe(separateEnhance);
      const names = await readFile(unet, 'latin1');
      expect(names).toContain('attn2.to_k');
      // All numbers: wherever the keys lie.
      const start = 8 + Number(changed.readBigUInt64LE(0));
      changed.fill(0, start);
      await writeFile(unet, changed);
      const { code, stderr } = await sgool(['resume', 'moved']);
      expect(code).toBe(1);
      expect(stderr).toMatch(
        /moved: cannot go on: the weights of .* are not those that it began with; put them back\n$/,
      );
      expect(await record('moved')).toMatchObject({ status: 'stopped' });
    } finally {
      await other.remove();
    }
  });
});

it('--dry-run says time and memory, and makes nothing', async () => {
  const { code, stdout, stderr } = await sgool([...train('dry', '--dry-run', '--json'), PAIR]);
  expect(code).toBe(0);
  expect(stderr).toMatch(/^sgool: about .* and .* of memory .*\n$/);
  expect(JSON.parse(stdout)).toMatchObject({ estimate: { operations: expect.any(Number) } });
  expect(existsSync(join(dir, 'dry'))).toBe(false);
});

describe('bad input', () => {
  it.each([
    [[], 2, 'finetune: needs a prompt of two objects or more, or a list of concepts with --concepts'],
    [
      ['a cat', '--concepts', 'x'],
      2,
      '--concepts: the prompts come from x; leave out the prompt on the command line',
    ],
    [['a cat'], 1, 'the prompt needs two objects that can overlap, got "a cat", in which only cat was found'],
    [[PAIR, '--words', 'cat,dog'], 1, '"dog" is not in the prompt'],
    [[PAIR, '--steps', '0'], 2, '--steps: not usable, got 0; give a whole number from 1'],
    [
      [PAIR, '--sample-every', 'x'],
      2,
      '--sample-every: not usable, got x; give a whole number from 0 up to 1000000',
    ],
    [
      [PAIR, '--trains', 'everything'],
      2,
      '--trains: not usable, got everything; choose one of keys, values, queries',
    ],
    [['--concepts', 'missing.txt'], 1, 'missing.txt'],
    [[PAIR, '--template', '{1} {2}'], 1, 'templates has no effect; it needs a list of concepts'],
    [
      [PAIR, '--sample-prompt', 'a cat'],
      2,
      '--sample-prompt: no pictures are drawn; give --sample-every too',
    ],
    [[PAIR, '--map-side', '7'], 1, 'the network has maps with sides of 8, 4, got 7'],
  ])('%j', async (words, wanted, message) => {
    const { code, stdout, stderr } = await sgool([...train('bad').slice(0, 6), ...words]);
    expect({ code, stdout }).toEqual({ code: wanted, stdout: '' });
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain(message);
    expect(existsSync(join(dir, 'bad'))).toBe(false);
  });

  it('a concept of the list that is wrong is named by its line', async () => {
    const { code, stderr } = await sgool([...train('bad'), '--concepts', '-'], undefined, 'cat\n= boat\n');
    expect(code).toBe(1);
    expect(stderr).toBe(
      'sgool: the standard input: line 2: not usable, got "= boat"; write a concept, or concept = word\n',
    );
  });

  it('a folder that cannot be written is one line', async () => {
    await writeFile(join(dir, 'file'), '');
    const { code, stderr } = await sgool([...train('file/inside'), PAIR]);
    expect(code).toBe(1);
    expect(stderr.trim().split('\n').at(-1)).toMatch(/^sgool: cannot write to the folder .*file\/inside: /);
  });

  it('repeat of a fine-tuning names the way', async () => {
    const { code, stderr } = await sgool(['repeat', 'one/run.json']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^sgool: [^\n]*is that of a fine-tuning; type its command again: sgool finetune/);
  });

  it('an adapter of another model is refused by every command that takes one', async () => {
    const adapter = join(dir, 'one', 'adapter.safetensors');
    for (const words of [
      ['generate', 'a red cat'],
      ['evaluate', '--suite', 'toybox', '--limit', '1'],
    ]) {
      const { code, stderr } = await sgool([...words, '--adapter', adapter]);
      expect(code).toBe(1);
      expect(stderr).toContain(`${adapter}: was made for another model (${model.dir})`);
    }
  });
});

describe('sgool adapters', () => {
  it('inspect shows settings, and how much is changed', async () => {
    const { code, stdout } = await sgool(['adapters', 'inspect', 'one/adapter.safetensors']);
    expect(code).toBe(0);
    for (const line of [
      /^method +separate-enhance$/m,
      /^steps +3$/m,
      /^changes +\d of \d weights$/m,
      /^learningRate +0.01$/m,
    ]) {
      expect(stdout).toMatch(line);
    }
    const json = JSON.parse(
      (await sgool(['adapters', 'inspect', 'one/adapter.safetensors', '--json'])).stdout,
    );
    expect(json.changes[0]).toMatchObject({ module: expect.stringContaining('attn2_to_k'), shape: [8, 16] });
    expect(json.changes[0].norm).toBeGreaterThan(0);
  });

  it('merge writes a whole model with the trained weights', async () => {
    const { code, stdout } = await sgool([
      'adapters',
      'merge',
      'one/adapter.safetensors',
      '--out',
      'deep/merged',
    ]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'deep/merged\n' });
    const keysOf = async (place: string, adapter?: string) => {
      const pipeline = await loadPipeline(place, { threads: 1, ...(adapter && { adapter }) });
      const { trainer } = (await separateEnhance(pipeline, { prompt: PAIR })).state();
      await pipeline.dispose();
      return trainer.parameters;
    };
    const merged = join(dir, 'deep', 'merged');
    expect(await keysOf(merged)).toEqual(await keysOf(model.dir, join(dir, 'one', 'adapter.safetensors')));
    expect((await readdir(merged)).toSorted()).toEqual((await readdir(model.dir)).toSorted());
    expect(await readdir(join(merged, 'unet'))).toEqual((await readdir(join(model.dir, 'unet'))).toSorted());
  });

  it('merge keeps half precision, in which the whole network is then', async () => {
    const adapter = join(dir, 'half.safetensors');
    const toybox = resolveModel('toybox').dir;
    const pipeline = await loadPipeline('toybox', { threads: 1 });
    const training = await separateEnhance(pipeline, {
      prompt: PAIR,
      steps: 1,
      batch: 1,
      learningRate: 0.01,
    });
    const base = await training.base();
    const [[name, { shape }]] = training.changes();
    const data = new Float32Array(product(shape)).fill(0.5);
    await pipeline.dispose();
    const info = { method: 'separate-enhance', step: 1, base, task: {}, sgool: '0' };
    await writeAdapter(adapter, new Map([[name, { shape, data }]]), info);
    expect(await sgool(['adapters', 'merge', 'half.safetensors', '--out', 'half'])).toMatchObject({
      code: 0,
    });
    const weightsOf = (folder: string) => openComponent(join(folder, 'unet'));
    const [before, after] = [await weightsOf(toybox), await weightsOf(join(dir, 'half'))];
    for (const each of before.weights.names()) {
      expect(after.weights.get(each).dtype, each).toBe(before.weights.get(each).dtype);
    }
    const [old, changed] = [before, after].map(({ weights }) => float32Of(weights.get(name)));
    expect(Math.max(...changed.map((value, i) => Math.abs(value - old[i] - 0.5)))).toBeLessThan(1e-3);
  });

  it.each([
    [['merge', 'one/adapter.safetensors', '--out', 'one'], 'is there already; give another folder'],
    [['merge', 'one/adapter.safetensors', '--out', 'x', '--model', 'toybox'], 'was made for another model'],
    [['inspect', 'one/run.json'], 'run.json'],
  ])('%j is refused in one line', async (words, message) => {
    const { code, stderr } = await sgool(['adapters', ...words]);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(existsSync(join(dir, 'x'))).toBe(false);
  });
});
