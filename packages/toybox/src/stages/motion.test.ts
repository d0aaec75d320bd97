import { createSchedule } from 'sgool/diffusion';
import { expect, it, vi } from 'vitest';
import { batchGenerator } from '../train/batch-generator.ts';
import { LATENT, type Rendered } from '../train/latents.ts';
import { poolScenes } from '../train/scenes.ts';
import { inspectStage } from '../train/trainer.ts';
import { describe as describeScene } from '../world/describe.ts';
import { MOVE_WORDS } from '../world/describe-moves.ts';
import { FRAMES } from '../world/moves.ts';
import { sceneGenerator } from '../world/scene-generator.ts';
import { SCHEDULER_CONFIG } from './configs.ts';
import { motionStage } from './motion.ts';
import { clipVocabulary, pictureVocabulary, toyboxTokenizer } from './tokenizer.ts';

const CLIPS = 6;

vi.mock(import('../train/scenes.ts'), async (importOriginal) => ({
  ...(await importOriginal()),
  TRAINING_CLIPS: { firstSeed: 1, count: 6 },
}));

// Rendering and encoding take too long here: the latent of an image says which image and which channel it is.
vi.mock(import('../train/latents.ts'), async (importOriginal) => ({
  ...(await importOriginal()),
  latentsOf: async ({ count }: Rendered) =>
    Float32Array.from({ length: count * LATENT }, (_, i) => Math.floor((4 * i) / LATENT)),
}));

const stage = await motionStage();
await stage.prepare?.('unused');
const batch = () =>
  stage.batch(batchGenerator(5), 0) as Record<'sample' | 'noise' | 'timestep', Float32Array>;

it('has noisy clips whose frames lie behind their channels', () => {
  const { alphasCumprod } = createSchedule(SCHEDULER_CONFIG);
  const { sample, noise, timestep } = batch();
  const [clips, channels, frames, rows, columns] = stage.inputs.sample.shape as number[];
  expect([channels, frames, sample.length]).toEqual([4, FRAMES, clips * FRAMES * LATENT]);
  for (let b = 0; b < clips; b++) {
    const alpha = alphasCumprod[timestep[b]];
    const clean = (channel: number, frame: number) => {
      const at = ((b * channels + channel) * frames + frame) * rows * columns;
      return (sample[at] - Math.sqrt(1 - alpha) * noise[at]) / Math.sqrt(alpha);
    };
    const clip = Math.round(clean(0, 0) / (4 * FRAMES));
    expect(clip).toBeLessThan(CLIPS);
    for (const [channel, frame] of [
      [0, 0],
      [1, 0],
      [0, 1],
      [2, 5],
      [3, 7],
    ]) {
      expect(clean(channel, frame)).toBeCloseTo(4 * (clip * FRAMES + frame) + channel, 3);
    }
  }
});

it('has the same batch for the same numbers, and more noise more often', () => {
  expect(batch()).toEqual(batch());
  const times = Array.from({ length: 100 }, (_, i) => [
    ...(stage.batch(batchGenerator(i), 0).timestep as Float32Array),
  ]).flat();
  expect(times.reduce((a, b) => a + b, 0) / times.length).toBeGreaterThan(600);
  expect(Math.min(...times)).toBeLessThan(200);
});

it('trains motion modules and the rows of new words, small enough for the package, and nothing else', () => {
  const { layout } = inspectStage(stage);
  const names = layout.slots.map(({ name }) => name);
  expect(names.filter((name) => !name.startsWith('motion.'))).toEqual(['words.token_embedding.weight']);
  expect(names.filter((name) => !/motion_modules|^words/.test(name))).toEqual([]);
  expect(names.some((name) => name.includes('pos_embed'))).toBe(false);
  expect(2 * layout.total).toBeLessThan(10e6);
});

it('leaves the tokens of pictures as they are, and has one for each word of moves', () => {
  const [before, after] = [pictureVocabulary(), clipVocabulary()].map(toyboxTokenizer);
  const words = sceneGenerator(9);
  for (const scene of poolScenes({ firstSeed: 1, count: 200 })) {
    const { text } = describeScene(scene, words);
    expect([...after.encode(text).ids]).toEqual([...before.encode(text).ids]);
  }
  for (const word of MOVE_WORDS) expect(after.encode(word).tokens).toEqual([`${word}</w>`]);
});
