import { expect, it, vi } from 'vitest';
import { batchGenerator } from '../train/batch-generator.ts';
import { readComponent, TRANSFORMERS_FILE } from '../train/export.ts';
import type { Rendered } from '../train/latents.ts';
import { IMAGE, poolScenes, TRAINING_POOLS } from '../train/scenes.ts';
import { inspectStage } from '../train/trainer.ts';
import { thingOfCells } from '../world/cells.ts';
import { renderWithMasks } from '../world/render.ts';
import { FLOW_TOKENS } from './configs.ts';
import { flowStage, mixAlongLine } from './flow.ts';
import { flowVocabulary, toyboxTokenizer } from './tokenizer.ts';

const POOL = vi.hoisted(() => ({ firstSeed: 12_000_000, count: 6 }));
const LATENT = 16 * 16 * 16;

vi.mock(import('../train/scenes.ts'), async (importOriginal) => {
  const scenes = await importOriginal();
  Object.assign(scenes.TRAINING_POOLS.flow, POOL);
  return scenes;
});

// Rendering and encoding take too long here: the latent of an image says which one it is.
vi.mock(import('../train/latents.ts'), async (importOriginal) => ({
  ...(await importOriginal()),
  latentsOf: async ({ count }: Rendered) =>
    Float32Array.from({ length: count * LATENT }, (_, i) => Math.floor(i / LATENT)),
}));

const stage = await flowStage();
await stage.prepare?.('unused');
const batches = Array.from(
  { length: 8 },
  (_, i) => stage.batch(batchGenerator(i), i) as Record<string, Float32Array>,
);
const images = stage.inputs.sample.shape[0];

/** The scene of each image of a batch, from its clean latent. */
const sceneOf = ({ sample, velocity, timestep }: Record<string, Float32Array>, b: number) =>
  Math.round(sample[b * LATENT] - (timestep[b] / 1000) * velocity[b * LATENT]);

it('has points on lines from images to noise, with the velocity along them', () => {
  const [batch] = batches;
  for (let b = 0; b < images; b++) {
    const share = batch.timestep[b] / 1000;
    const scene = sceneOf(batch, b);
    expect(scene).toBeLessThan(POOL.count);
    let [sum, squares] = [0, 0];
    for (let i = b * LATENT; i < (b + 1) * LATENT; i++) {
      expect(batch.sample[i] - share * batch.velocity[i]).toBeCloseTo(scene, 4);
      const noise = batch.velocity[i] + scene;
      sum += noise / LATENT;
      squares += noise ** 2 / LATENT;
    }
    expect(sum).toBeCloseTo(0, 0);
    expect(squares).toBeCloseTo(1, 0);
  }
});

it('sees the middle of the lines most: the share of noise is logit-normal', () => {
  const shares = batches.flatMap(({ timestep }) => [...timestep].map((t) => t / 1000));
  const below = (limit: number) => shares.filter((share) => share < limit).length / shares.length;
  expect(below(0.5)).toBeCloseTo(0.5, 1);
  // One standard deviation.
  expect(below(1 / (1 + Math.E))).toBeCloseTo(0.159, 1);
  expect(below(0.05)).toBeLessThan(0.02);
});

it('has captions of 24 tokens that end where it says, a tenth of them empty', () => {
  const { startId, endId } = toyboxTokenizer(flowVocabulary(), FLOW_TOKENS);
  let empty = 0;
  for (const batch of batches) {
    for (let b = 0; b < images; b++) {
      const ids = batch.ids.subarray(b * FLOW_TOKENS, (b + 1) * FLOW_TOKENS);
      expect(ids[0]).toBe(startId);
      expect(ids.indexOf(endId)).toBe(batch.ends[b]);
      if (batch.ends[b] === 1) empty++;
    }
  }
  expect(empty / (batches.length * images)).toBeCloseTo(0.1, 1);
  expect(empty).toBeGreaterThan(0);
});

it.each(['kinds', 'colours'])(
  'has one label for each token of the picture, %s, where the scene has its things',
  (name) => {
    const [batch] = batches;
    const scenes = poolScenes(TRAINING_POOLS.flow);
    const [, cells, classes] = stage.inputs[name].shape as [number, number, number];
    for (let b = 0; b < images; b++) {
      const { masks } = renderWithMasks(scenes[sceneOf(batch, b)], IMAGE);
      const things = thingOfCells(masks, IMAGE, Math.sqrt(cells));
      things.forEach((thing, cell) => {
        const row = batch[name].subarray((b * cells + cell) * classes, (b * cells + cell + 1) * classes);
        expect(row.filter((value) => value > 0)).toHaveLength(1);
        expect(row[classes - 1] > 0).toBe(thing < 0);
      });
    }
  },
);

it('starts from the text tower of CLIP A, with rows for new words, and with blocks that do nothing', async () => {
  const { layout } = inspectStage(stage);
  const start = (name: string) => {
    const slot = layout.slots.find((each) => each.name === name);
    if (!slot) throw new Error(name);
    return stage.initialise?.(name, slot.shape, batchGenerator(1));
  };
  const clip = await readComponent('clip', TRANSFORMERS_FILE);
  const stored = (name: string) => clip.get(name)?.data ?? new Float32Array();
  for (const name of ['text_model.encoder.layers.1.mlp.fc1.weight', 'text_projection.weight']) {
    expect(start(`text_encoder.${name}`)).toEqual(stored(name));
  }
  const table = start('text_encoder.text_model.embeddings.token_embedding.weight') as Float32Array;
  const known = stored('text_model.embeddings.token_embedding.weight');
  expect(table.subarray(0, known.length)).toEqual(known);
  expect(table.length).toBeGreaterThan(known.length);
  expect(table.subarray(known.length).every((value) => value !== 0 && Math.abs(value) < 0.5)).toBe(true);
  expect(start('text_encoder.text_model.embeddings.position_embedding.weight')).toHaveLength(
    FLOW_TOKENS * 128,
  );
  for (const name of [
    'transformer_blocks.3.norm1.linear.weight',
    'norm_out.linear.weight',
    'proj_out.weight',
  ])
    expect(start(`transformer.${name}`), name).toBe(0);
  const places = start('transformer.pos_embed.pos_embed') as Float32Array;
  expect(places).toHaveLength(64 * 128);
  expect(new Set(places).size).toBeGreaterThan(100);
});

it('has a program with the losses of velocity and cells', () => {
  const { layout, names } = inspectStage(stage);
  expect(names).toEqual(['loss', 'norm', 'mse', 'cells']);
  // Two bytes each: with the autoencoder below 25 MB.
  expect(2 * layout.total).toBeLessThan(20e6);
  expect(layout.slots.filter(({ name }) => name.startsWith('auxiliary.'))).toHaveLength(4);
});

it('mixes along a line', () => {
  const sample = Float32Array.of(4, -2);
  const velocity = new Float32Array(2);
  mixAlongLine(Float32Array.of(1, 2), 0.25, sample, velocity);
  expect([...sample]).toEqual([1.75, 1]);
  expect([...velocity]).toEqual([3, -4]);
});
