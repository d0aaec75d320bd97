import { beforeAll, describe, expect, it } from 'vitest';
import { trainableUNet } from '../models/stable-diffusion/trainable-unet.ts';
import type { TrainableNetwork } from '../models/trainable-network.ts';
import { networkWeights } from '../networks/network-weights.ts';
import { FIXTURES, relativeError } from '../networks/testing.ts';
import { unetConfig } from '../networks/unet/unet-config.ts';
import { ProgramCache } from '../runtime/program-cache.ts';
import { openSafetensors, readTensor, type SafetensorsFile } from '../weights/formats/safetensors.ts';
import { weightSource } from '../weights/formats/weight-source.ts';
import { RECIPES } from './settings.ts';
import { Trainer, type TrainingSample } from './trainer.ts';

const [BATCH, TOKENS, WIDTH, SIDE] = [2, 7, 12, 8];
const SHAPE = { latent: [4, SIDE, SIDE], tokens: TOKENS, width: WIDTH, objects: 2, mapSide: 4 };
const SETTINGS = {
  ...RECIPES['large-scale'],
  ...{
    batch: BATCH,
    learningRate: 1e-2,
    maxNorm: 0.02,
    weightDecay: 0.5,
    width: 64,
    height: 64,
    mapSide: 4,
    microBatch: BATCH,
  },
};

let fixture: SafetensorsFile;
let network: TrainableNetwork;
let batches: TrainingSample[][];
beforeAll(async () => {
  fixture = await openSafetensors(`${FIXTURES}separate-enhance.safetensors`);
  const file = await openSafetensors(`${FIXTURES}networks-unet-conv.safetensors`);
  const source = weightSource(file, (name) => (name.startsWith('fixture/') ? undefined : name));
  network = trainableUNet({
    programs: new ProgramCache({}),
    config: unetConfig(JSON.parse(file.metadata.config ?? '')),
    weights: networkWeights(source),
    source,
    latentScale: 1,
    trainTimesteps: 1000,
    prompts: { encode: () => Promise.reject(new Error('no text encoder')) },
    tokenizer: {} as never,
  });
  batches = await Promise.all([0, 1, 2].map(batch));
});

const read = (name: string) => readTensor(fixture, name);

async function batch(step: number): Promise<TrainingSample[]> {
  const at = (name: string) => read(`step.${step}.${name}`);
  const [latents, timesteps] = [await at('sample'), await at('timestep')];
  const [texts, words, singles] = [await at('context'), await at('words'), await at('single')];
  const part = (values: Float32Array, i: number) => {
    const size = values.length / BATCH;
    return values.slice(i * size, (i + 1) * size);
  };
  const text = (values: Float32Array, i: number) => ({ tokens: TOKENS, width: WIDTH, data: part(values, i) });
  return Array.from({ length: BATCH }, (_, i) => ({
    latent: part(latents, i),
    timestep: timesteps[i],
    text: text(texts, i),
    words: part(words, i),
    single: text(singles, i),
  }));
}

describe.each([
  { name: 'own', settings: {} },
  { name: 'own', settings: { microBatch: 1 } },
  { name: 'joint', settings: { normStep: 'joint' } },
  { name: 'values', settings: { trains: 'values' } },
  { name: 'queries', settings: { trains: 'queries' } },
] as const)('three steps, $name $settings', ({ name, settings }) => {
  it('end with the losses and the weights of PyTorch', async () => {
    const trainer = new Trainer(network, { ...SETTINGS, ...settings }, SHAPE);
    const before = await read(`${name}.before`);
    expect([...trainer.start]).toEqual([...before]);
    for (const [i, samples] of batches.entries()) {
      const { losses } = await trainer.step(samples);
      const { separate, enhance, norm = Number.NaN, total } = losses;
      const wanted = await read(`${name}.losses.${i}`);
      expect(Math.abs(separate - wanted[0])).toBeLessThan(2e-5);
      expect(Math.abs(enhance - wanted[1])).toBeLessThan(2e-5);
      expect(Math.abs(norm - wanted[2])).toBeLessThan(2e-5);
      expect(total).toBeCloseTo(separate + 0.5 * enhance + 0.5 * norm, 6);
    }
    const moved = trainer.state().parameters.map((value, i) => value - before[i]);
    const wanted = (await read(`${name}.after`)).map((value, i) => value - before[i]);
    const apart = moved.map((value, i) => value - wanted[i]);
    expect(Math.hypot(...apart)).toBeLessThan(5e-4 * Math.hypot(...wanted));
    const updates = name === 'joint' ? 3 : 6;
    expect(trainer.state().updates).toBe(updates);
    expect(trainer.evaluations).toEqual({ forward: 6, pullback: 12 });
  });
});

it('the first gradient is that of PyTorch', async () => {
  // With one step of a mean of gradients at 0.9, a tenth of the clipped gradient is left in `first`.
  const trainer = new Trainer(network, { ...SETTINGS, normWeight: 0, maxNorm: 1e6 }, SHAPE);
  const { gradientNorm } = await trainer.step(batches[0]);
  const wanted = await read('own.gradient');
  expect(
    relativeError(
      trainer.state().first.map((value) => 10 * value),
      wanted,
    ),
  ).toBeLessThan(1e-4);
  expect(gradientNorm).toBeCloseTo(Math.hypot(...wanted), 6);
});

it('leaves weights alone that no loss reaches', async () => {
  const trainer = new Trainer(network, { ...SETTINGS, normWeight: 0 }, SHAPE);
  await trainer.step(batches[0]);
  const names = [...trainer.weights()].flatMap(([name, { data }]) => {
    const slot = trainer.layout.slots.find((one) => one.name === name);
    return data.every((value, i) => value === trainer.start[(slot?.offset ?? 0) + i]) ? [name] : [];
  });
  // They stand behind the last of the maps that the losses read.
  expect(names.length).toBeGreaterThan(0);
  expect(names.every((name) => name.startsWith('up_blocks.2.'))).toBe(true);
});

it.each([{ separateWeight: 0 }, { enhanceWeight: 0 }])(
  'one loss alone moves other weights: %j',
  async (weights) => {
    const end = async (settings: object) => {
      const trainer = new Trainer(network, { ...SETTINGS, normWeight: 0, ...settings }, SHAPE);
      for (const samples of batches) await trainer.step(samples);
      return trainer.state().parameters;
    };
    const [alone, both] = [await end(weights), await end({})];
    expect(relativeError(alone, both)).toBeGreaterThan(1e-3);
  },
);

it('goes on from its state with the same bytes', async () => {
  const whole = new Trainer(network, SETTINGS, SHAPE);
  for (const samples of batches) await whole.step(samples);
  const begun = new Trainer(network, SETTINGS, SHAPE);
  await begun.step(batches[0]);
  const state = begun.state();
  // What it does afterwards does not change the state that was given out.
  await begun.step(batches[2]);
  const resumed = new Trainer(network, SETTINGS, SHAPE);
  resumed.restore(state);
  for (const samples of batches.slice(1)) await resumed.step(samples);
  expect(resumed.state()).toEqual(whole.state());
});

it('a step that is stopped half-way is not done', async () => {
  const trainer = new Trainer(network, SETTINGS, SHAPE);
  await trainer.step(batches[0]);
  const before = trainer.state();
  const controller = new AbortController();
  let asked = 0;
  const signal = Object.create(controller.signal, {
    throwIfAborted: {
      value: () => {
        // The first question is before Separate and Enhance, which then make their update.
        if (++asked > 1) throw new Error('stopped');
      },
    },
  }) as AbortSignal;
  await expect(trainer.step(batches[1], signal)).rejects.toThrow('stopped');
  expect(trainer.state()).toEqual(before);
});
