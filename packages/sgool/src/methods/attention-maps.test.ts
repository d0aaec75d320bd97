import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { writeTinyModel } from '../pipeline/testing.ts';
import { mapAttention } from './attention-maps.ts';
import { methods } from './index.ts';

const request = { prompt: 'a red cat and a blue boat', seed: 5, steps: 6 };

let model: Awaited<ReturnType<typeof writeTinyModel>>;
let pipeline: Pipeline;
beforeAll(async () => {
  model = await writeTinyModel({ without: ['clip', 'clip_b', 'transalnet'] });
  pipeline = await loadPipeline(model.dir, { threads: 1 });
});
afterAll(async () => {
  await pipeline.dispose();
  await model.remove();
});

it('makes the plain image, and maps of its nouns for all layers at five steps', async () => {
  const { image, words, layers, steps, maps, seed } = await mapAttention(pipeline, request);
  for await (const plain of methods.sd.run(pipeline, request)) expect(image.data).toEqual(plain.image.data);
  expect(seed).toBe(5);
  expect(words).toEqual([
    { word: 'cat', tokens: [3] },
    { word: 'boat', tokens: [7] },
  ]);
  expect(layers).toHaveLength(4);
  expect(steps).toEqual([1, 2, 4, 5, 6]);
  expect(maps.map(({ step, layer }) => `${step} ${layer.name}`)).toEqual(
    steps.flatMap((step) => layers.map(({ name }) => `${step} ${name}`)),
  );
  expect(new Set(maps.map(({ timestep }) => timestep)).size).toBe(5);
  for (const { layer, words: own } of maps) {
    for (const map of own) {
      expect(map).toHaveLength(layer.rows * layer.columns);
      for (const share of map) expect(share > 0 && share < 1).toBe(true);
    }
  }
});

it('gives a word of several tokens the mean of their maps', async () => {
  const more = { layers: 'mid', atSteps: '2' };
  const together = await mapAttention(pipeline, { ...request, ...more, tokens: 'red cat' });
  const apart = await mapAttention(pipeline, { ...request, ...more, tokens: 'red, cat' });
  const [[map], [red, cat]] = [together.maps[0].words, apart.maps[0].words];
  expect(together.words[0].tokens).toEqual([2, 3]);
  map.forEach((value, i) => {
    expect(value).toBeCloseTo((red[i] + cat[i]) / 2, 6);
  });
});

it('sees the same network as the sampler: a moved seed moves the maps', async () => {
  const first = (await mapAttention(pipeline, { ...request, atSteps: '1' })).maps[0].words[0];
  const other = (await mapAttention(pipeline, { ...request, atSteps: '1', seed: 6 })).maps[0].words[0];
  expect(other).not.toEqual(first);
});

describe('chooses', () => {
  const layersOf = async (layers: string) =>
    (await mapAttention(pipeline, { ...request, steps: 1, layers })).layers.map(({ name }) =>
      name.slice(0, 24),
    );
  it('layers by part, size and name', async () => {
    expect(await layersOf('mid')).toEqual(['mid_block.attentions.0.t']);
    expect(await layersOf('8x8')).toHaveLength(3);
    expect(await layersOf('up, 4x4')).toEqual([
      'mid_block.attentions.0.t',
      'up_blocks.1.attentions.0',
      'up_blocks.1.attentions.1',
    ]);
    expect(await layersOf('up_blocks.1.attentions.1')).toEqual(['up_blocks.1.attentions.1']);
  });

  it('steps by number, in order and once', async () => {
    expect((await mapAttention(pipeline, { ...request, atSteps: '5, 2,5' })).steps).toEqual([2, 5]);
    expect((await mapAttention(pipeline, { ...request, steps: 1 })).steps).toEqual([1]);
  });

  it('each of two things of one noun', async () => {
    const prompt = 'a red cat and a blue cat';
    const { words } = await mapAttention(pipeline, { ...request, prompt, steps: 1 });
    expect(words.map(({ word, tokens }) => `${word} ${tokens}`)).toEqual(['cat#1 3', 'cat#2 7']);
  });
});

it.each([
  [{ prompt: 'of' }, 'attention: found no noun in the prompt "of"; name its words with the option tokens'],
  [{ tokens: 'bird' }, 'tokens: "bird" is not in the prompt, whose words are: a red cat and a blue boat'],
  [{ atSteps: '7' }, 'atSteps: not usable, got "7"; give numbers from 1 to 6'],
  [{ atSteps: '1,x' }, 'atSteps: not usable, got "x"; give numbers from 1 to 6'],
  [{ layers: '9x9' }, 'layers: there is none for "9x9"; choose from down, mid, up, 8x8, 4x4, down_blocks.0'],
  [{ layers: 'mid,' }, 'layers: there is none for ""; choose from'],
  [{ sampler: 'edict' as const }, 'sampler is not usable, got "edict"'],
  [{ prompt: 'a [cat|boat]' }, 'changes from step to step'],
])('refuses in one line: %j', async (more, message) => {
  await expect(mapAttention(pipeline, { ...request, ...more })).rejects.toThrow(message);
});

it('stops when it is aborted', async () => {
  const controller = new AbortController();
  const options = { signal: controller.signal, onStep: () => controller.abort() };
  await expect(mapAttention(pipeline, request, options)).rejects.toMatchObject({ name: 'AbortError' });
});
