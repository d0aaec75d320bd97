import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { methods } from '../methods/index.ts';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { writeTinyModel } from '../pipeline/testing.ts';
import { Generator } from '../random/generator.ts';
import { openSafetensors, readAll } from '../weights/formats/safetensors.ts';
import { writeSafetensors } from '../weights/formats/write-safetensors.ts';
import { ADAPTER_KEY } from '../weights/open/adapter.ts';
import { writeAdapter } from '../weights/open/store-adapter.ts';
import { estimateFineTuning } from './estimate.ts';
import { type FineTuneRequest, type FineTuneStep, separateEnhance } from './separate-enhance.ts';

const pair: FineTuneRequest = {
  ...{ prompt: 'a red cat and a blue boat', words: ['cat', 'boat'] },
  ...{ steps: 3, batch: 2, learningRate: 1e-3, normWeight: 0.5 },
};
const list: FineTuneRequest = {
  concepts: ['cat', { phrase: 'red boat', word: 'boat' }, 'left'],
  ...{ templates: ['a {1} and a {2}', '{1} {2}'], singleTemplate: 'a {1}' },
  ...{ steps: 3, batch: 2, learningRate: 1e-3 },
};

let folder: string;
let model: Awaited<ReturnType<typeof writeTinyModel>>;
let pipeline: Pipeline;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sgool-finetune-'));
  model = await writeTinyModel({ without: ['clip', 'clip_b', 'transalnet'] });
  pipeline = await loadPipeline(model.dir, { threads: 1 });
});
afterAll(async () => {
  await pipeline.dispose();
  await model.remove();
  await rm(folder, { recursive: true });
});

async function run(request: FineTuneRequest, options = {}) {
  const fineTuning = await separateEnhance(pipeline, request, options);
  const done: FineTuneStep[] = [];
  for await (const step of fineTuning.steps()) done.push(step);
  return { fineTuning, done };
}

describe.each([
  ['one prompt', pair],
  ['a list of concepts', list],
] as const)('%s', (_, request) => {
  it('gives losses and counts for each step, and ends where it is told to', async () => {
    const { fineTuning, done } = await run(request);
    expect(done.map(({ step, steps }) => [step, steps])).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
    for (const { losses, gradientNorm, seconds } of done) {
      expect(losses.separate).toBeGreaterThan(0);
      expect(losses.enhance).toBeLessThan(1);
      expect(losses.norm).toBeGreaterThan(0);
      expect(gradientNorm).toBeGreaterThan(0);
      expect(seconds.total).toBeGreaterThanOrEqual(seconds.step);
    }
    expect(done[2].evaluations).toEqual({ forward: 6, pullback: 12 });
    const changes = fineTuning.changes();
    expect([...changes.keys()].every((name) => name.endsWith('attn2.to_k.weight'))).toBe(true);
    expect(changes.size).toBe(4);
    expect(fineTuning.parameters).toBe([...changes.values()].reduce((sum, { data }) => sum + data.length, 0));
  });

  it('goes on from its state with the same bytes, also from a step that was stopped half-way', async () => {
    const whole = await run(request);
    const controller = new AbortController();
    const begun = await separateEnhance(pipeline, request, { signal: controller.signal });
    const steps = begun.steps();
    await steps.next();
    const second = steps.next();
    controller.abort(new Error('stopped'));
    await expect(second).rejects.toThrow('stopped');
    const state = begun.state();
    expect(state.step).toBe(1);
    const rest = await run(request, { state });
    expect(rest.done.map(({ step }) => step)).toEqual([2, 3]);
    const { seconds: _, ...end } = rest.fineTuning.state();
    expect(whole.fineTuning.state()).toMatchObject(end);
    expect(rest.done[1].losses).toEqual(whole.done[2].losses);
  });

  it('another seed draws other noise', async () => {
    const [{ done }, other] = [await run(request), await run({ ...request, seed: 1 })];
    expect(other.done[0].losses.separate).not.toBe(done[0].losses.separate);
  });
});

it('takes the settings of the paper where the request does not say otherwise', async () => {
  const { prompt, words } = pair;
  const individual = await separateEnhance(pipeline, { prompt });
  expect(individual.task).toEqual({
    recipe: 'individual',
    prompt,
    words,
    settings: {
      ...{ steps: 200, batch: 4, learningRate: 8e-6, weightDecay: 0.01, maxNorm: 1, trains: 'keys' },
      ...{ separateWeight: 1, enhanceWeight: 0.5, normWeight: 0, normStep: 'own', seed: 0 },
      ...{ singleTemplate: 'a photo of a {1}', mapSide: 8, width: 32, height: 32, microBatch: 4 },
      templates: ['a photo of a {1} and a {2}', 'a photo of a {1} with a {2}'],
    },
  });
  const { concepts, templates, singleTemplate } = list;
  const large = await separateEnhance(pipeline, { concepts, templates, singleTemplate });
  expect(large.task).toMatchObject({
    recipe: 'large-scale',
    concepts: [
      { phrase: 'cat', word: 'cat' },
      { phrase: 'red boat', word: 'boat' },
      { phrase: 'left', word: 'left' },
    ],
    settings: { steps: 10_000, learningRate: 4e-6, normWeight: 0.5 },
  });
});

it.each([
  [{}, 'needs a prompt or a list of concepts'],
  [{ ...pair, concepts: ['cat', 'boat'] }, 'takes a prompt or a list of concepts, got both'],
  [{ prompt: 'a cat' }, 'needs two objects that can overlap, got "a cat", in which only cat was found; name'],
  [{ prompt: 'left of' }, 'in which none was found'],
  [{ prompt: 'a red cat and a blue cat' }, '"cat" and "cat" have a token in common'],
  [{ prompt: 'a cat', words: ['cat'] }, 'words: not usable: two or more are needed'],
  [{ ...pair, words: ['cat', ''] }, 'words.1: not usable: must not be empty'],
  [{ ...pair, templates: ['{1} {2}'] }, 'templates has no effect; it needs a list of concepts'],
  [
    { ...pair, normWeight: 0, singleTemplate: 'a {1}' },
    'singleTemplate has no effect; it needs normWeight above 0',
  ],
  [{ ...pair, normWeight: 0, normStep: 'joint' }, 'normStep has no effect; it needs normWeight above 0'],
  [{ ...pair, microBatch: 3 }, 'microBatch: a step has 2 prompts (batch), got 3; give at most as many'],
  [{ ...list, words: ['cat', 'boat'] }, 'words belong to a prompt'],
  [{ ...pair, words: ['cat', 'dog'] }, '"dog" is not in the prompt "a red cat and a blue boat"'],
  [{ ...pair, words: ['cat', 'red cat'] }, '"cat" and "red cat" have a token in common'],
  [{ ...pair, separateWeight: 0, enhanceWeight: 0 }, 'separateWeight and enhanceWeight are both 0'],
  [{ ...list, templates: ['a {1}'] }, 'templates: "a {1}" must have {1} and {2}, each once'],
  [{ ...list, singleTemplate: 'a {1} and {2}' }, 'singleTemplate: "a {1} and {2}" must have {1} once'],
  [{ ...pair, mapSide: 5 }, 'mapSide: the network has maps with sides of 8, 4, got 5'],
  [{ ...pair, width: 34 }, 'sides must be multiples of 4, got 34x32'],
  [{ ...pair, batch: 0 }, 'batch: not usable'],
  [{ ...pair, stepz: 4 }, 'not usable: Unrecognized key: "stepz"'],
] as [FineTuneRequest, string][])('refuses %j in one line', async (request, message) => {
  const error = await separateEnhance(pipeline, request).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ name: 'UserError', message: expect.stringContaining(message) });
  expect((error as Error).message).toMatch(/^finetune: [^\n]*$/);
});

it('refuses a model whose network reads more than a latent, a time and a text', async () => {
  const { trainable: _, ...other } = pipeline;
  await expect(separateEnhance(other, pair)).rejects.toThrow(
    /^finetune: the network of .* reads more than a latent, a time and a text/,
  );
});

it('a dry run counts the steps and computes nothing', async () => {
  const open = (programs: NonNullable<Parameters<typeof loadPipeline>[1]>['programs']) =>
    loadPipeline(model.dir, { threads: 1, programs });
  const machine = { flops: 1e9 } as Parameters<typeof estimateFineTuning>[0]['machine'];
  const of = (steps: number, more: object = {}) =>
    estimateFineTuning({ open, machine, steps, request: { ...pair, ...more } });
  const [short, long, plain] = [await of(3), await of(300), await of(300, { normWeight: 0 })];
  expect(long.operations / short.operations).toBeGreaterThan(90);
  expect(long.operations).toBeGreaterThan(2 * plain.operations);
  expect(long.seconds).toBeGreaterThan(short.seconds);
  expect(short.memoryBytes).toBeGreaterThan(160e6);
});

it('maps show where a picture attends to the words, and change with the weights', async () => {
  const fineTuning = await separateEnhance(pipeline, { ...pair, learningRate: 0.1 });
  const image = { width: 32, height: 32, data: new Uint8Array(3 * 32 * 32).fill(90) };
  const prompt = { text: 'a red cat and a blue boat', words: ['red cat', 'boat'] };
  const before = await fineTuning.attention(image, prompt);
  expect(before.map(({ word, width, height }) => [word, width, height])).toEqual([
    ['red cat', 8, 8],
    ['boat', 8, 8],
  ]);
  expect(before[0].data).toHaveLength(64);
  expect(before[0].data.every((value) => value > 0 && value < 1)).toBe(true);
  expect(before[0].data).not.toEqual(before[1].data);
  await fineTuning.steps().next();
  expect((await fineTuning.attention(image, prompt))[0].data).not.toEqual(before[0].data);
});

describe('an adapter', () => {
  const made = async (name: string, more: object = {}) => {
    const { fineTuning } = await run(pair);
    const path = join(folder, name);
    const info = {
      ...{ method: 'separate-enhance', step: 3, base: await fineTuning.base(), sgool: '0' },
      task: { ...fineTuning.task },
      ...more,
    };
    await writeAdapter(path, fineTuning.changes(), info);
    return { path, fineTuning };
  };
  const pictureOf = async (options: object, prompt = 'a cat and a boat') => {
    const other = await loadPipeline(model.dir, { threads: 1, ...options });
    try {
      for await (const { image } of methods.sd.run(other, { prompt, steps: 2, seed: 3 })) return image.data;
      throw new Error('no image');
    } finally {
      await other.dispose();
    }
  };

  it('gives the model the trained weights, alone and under a LoRA', async () => {
    const { path, fineTuning } = await made('mine.safetensors');
    const trained = fineTuning.state().trainer.parameters;
    const loaded = await loadPipeline(model.dir, { threads: 1, adapter: path });
    const again = await separateEnhance(loaded, pair);
    const found = again.state().trainer.parameters;
    await loaded.dispose();
    expect(Math.max(...found.map((value, i) => Math.abs(value - trained[i])))).toBeLessThan(1e-6);
    // A LoRA of the module that was trained.
    const lora = join(folder, 'lora.safetensors');
    const [name] = (await openSafetensors(path)).tensors.keys();
    const [rows, columns] = (await openSafetensors(path)).tensors.get(name)?.shape ?? [];
    const random = new Generator(1);
    await writeSafetensors(lora, {
      [name.replace('.diff', '.lora_up.weight')]: {
        dtype: 'F32',
        shape: [rows, 2],
        data: random.randn([rows, 2]),
      },
      [name.replace('.diff', '.lora_down.weight')]: {
        dtype: 'F32',
        shape: [2, columns],
        data: random.randn([2, columns]),
      },
    });
    const loras = [{ path: lora }];
    const pictures = [{}, { adapter: path }, { loras }, { adapter: path, loras }].map((options) =>
      pictureOf(options),
    );
    const [plain, adapted, styled, both] = await Promise.all(pictures);
    expect(adapted).not.toEqual(plain);
    expect(both).not.toEqual(styled);
    expect(both).not.toEqual(adapted);
  });

  it('is a full difference of LyCORIS with its settings', async () => {
    const { path } = await made('settings.safetensors');
    const { tensors, metadata } = await openSafetensors(path);
    for (const name of tensors.keys()) expect(name).toMatch(/^lora_unet_\w+_attn2_to_k\.diff$/);
    expect(JSON.parse(metadata[ADAPTER_KEY])).toMatchObject({
      format: 1,
      method: 'separate-enhance',
      step: 3,
      base: { fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) },
      task: { recipe: 'individual', prompt: pair.prompt, settings: { batch: 2 } },
    });
  });

  it('of other weights is refused in one line, whatever their shapes', async () => {
    const { path } = await made('other.safetensors');
    const refused = (dir: string) =>
      loadPipeline(dir, { adapter: path }).catch((error: Error) => error.message);
    const fixture = new URL('../../../../fixtures/data/pipeline', import.meta.url).pathname;
    const message = `${path}: was made for another model (${model.dir}); its weights are not those that the adapter was trained from`;
    expect(await refused(fixture)).toBe(message);
    const twin = await writeTinyModel({ without: ['clip', 'clip_b', 'transalnet'] });
    try {
      expect(await refused(twin.dir)).toMatchObject({ model: { dir: twin.dir } });
      const file = join(twin.dir, 'unet', 'diffusion_pytorch_model.safetensors');
      const weights = Object.fromEntries(await readAll(await openSafetensors(file)));
      const [name] = Object.keys(weights).filter((each) => each.endsWith('attn2.to_k.weight'));
      (weights[name].data as Float32Array)[5] += 0.01;
      await writeSafetensors(file, weights);
      expect(await refused(twin.dir)).toBe(message);
    } finally {
      await twin.remove();
    }
  });

  it.each([
    [
      { base: { model: 'x', weights: [], fingerprint: 'y' } },
      'its sgool_adapter is incomplete; make the adapter anew',
    ],
    [{ format: 2 }, 'is an adapter of format 2; this version of sgool reads format 1'],
  ])('that is damaged or of another version is refused: %j', async (more, message) => {
    const { path } = await made('damaged.safetensors', more);
    await expect(loadPipeline(model.dir, { adapter: path })).rejects.toThrow(`${path}: ${message}`);
  });

  it('a file that is none is named', async () => {
    const path = join(model.dir, 'unet', 'diffusion_pytorch_model.safetensors');
    await expect(loadPipeline(model.dir, { adapter: path })).rejects.toThrow(
      `${path}: is no adapter of sgool; a LoRA or the like is given as a LoRA`,
    );
  });
});
