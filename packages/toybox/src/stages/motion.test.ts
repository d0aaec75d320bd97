import { compile, trace } from '@sgool/autodiff';
import { createSchedule } from 'sgool/diffusion';
import { expect, it, vi } from 'vitest';
import { batchGenerator } from '../train/batch-generator.ts';
import { DIFFUSERS_FILE, readComponent } from '../train/export.ts';
import { LATENT, type Rendered } from '../train/latents.ts';
import { poolScenes } from '../train/scenes.ts';
import { inspectStage } from '../train/trainer.ts';
import { describe as describeScene, WORDS } from '../world/describe.ts';
import { KEY_WORDS, MOVE_WORDS } from '../world/describe-moves.ts';
import { FRAMES } from '../world/moves.ts';
import { sceneGenerator } from '../world/scene-generator.ts';
import { SCHEDULER_CONFIG } from './configs.ts';
import { errorLoss, motionStage, pictureTextEncoder } from './motion.ts';
import { clipVocabulary, pictureVocabulary, toyboxTokenizer } from './tokenizer.ts';
import { wordRows } from './words.ts';

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
const { alphasCumprod } = createSchedule(SCHEDULER_CONFIG);

/** What a batch holds of whole clips, or of pairs of frames. */
function part(kind: 'whole' | 'pairs', seed = 5) {
  const batch = stage.batch(batchGenerator(seed), 0);
  const of = (name: string) => batch[`${kind}.${name}`] as Float32Array;
  const shape = stage.inputs[`${kind}.sample`].shape as [number, number, number, number, number];
  return {
    shape,
    ...{ sample: of('sample'), noise: of('noise'), timestep: of('timestep'), importance: of('importance') },
    frames: [...of('frames')],
  };
}

it.each(['whole', 'pairs'] as const)('has noisy clips whose frames lie behind their channels: %s', (kind) => {
  const { shape, sample, noise, timestep, frames } = part(kind);
  const [clips, channels, length, rows, columns] = shape;
  expect([channels, length, sample.length]).toEqual([4, frames.length, clips * length * LATENT]);
  for (let b = 0; b < clips; b++) {
    const alpha = alphasCumprod[timestep[b]];
    const clean = (channel: number, f: number) => {
      const at = ((b * channels + channel) * length + f) * rows * columns;
      return (sample[at] - Math.sqrt(1 - alpha) * noise[at]) / Math.sqrt(alpha);
    };
    const clip = Math.floor((clean(0, 0) + 0.5) / (4 * FRAMES));
    expect(clip).toBeLessThan(CLIPS);
    for (let channel = 0; channel < channels; channel++) {
      frames.forEach((frame, f) => {
        expect(clean(channel, f)).toBeCloseTo(4 * (clip * FRAMES + frame) + channel, 2);
      });
    }
  }
});

it('shows all frames of some clips and two of others, and those where it is decided how things move', () => {
  expect(part('whole').frames).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  const seen = new Set<number>();
  for (let seed = 0; seed < 60; seed++) {
    const { frames, timestep } = part('pairs', seed);
    expect(frames).toHaveLength(2);
    expect(frames[0]).toBeLessThan(frames[1]);
    for (const frame of frames) seen.add(frame);
    expect(Math.min(...timestep)).toBeGreaterThanOrEqual(700);
    expect(Math.max(...timestep)).toBeLessThan(950);
  }
  expect(seen.size).toBe(FRAMES);
});

it('has the same batch for the same numbers, with more noise more often and more important', () => {
  expect(part('whole')).toEqual(part('whole'));
  const times = Array.from({ length: 60 }, (_, i) => [...part('whole', i).timestep]).flat();
  expect(times.reduce((a, b) => a + b, 0) / times.length).toBeGreaterThan(600);
  expect(Math.min(...times)).toBeLessThan(250);
  const found = Array.from({ length: 60 }, (_, i) => part('whole', i));
  for (const { timestep, importance } of found) {
    timestep.forEach((t, b) => {
      const ratio = alphasCumprod[t] / (1 - alphasCumprod[t]);
      expect(importance[b]).toBeCloseTo(ratio > 5 ? 5 / ratio : ratio > 1 ? 1 : Math.min(100, 1 / ratio), 4);
    });
  }
});

it('counts what differs from frame to frame five times, what stays once', async () => {
  const program = await compile(
    trace({ error: { shape: [2, 1, 2, 1, 1] }, importance: { shape: [2, 1, 1, 1, 1] } }, (t) =>
      errorLoss(t.error, t.importance),
    ),
  );
  const lossOf = async (error: number[]) => {
    const { loss, mse } = await program.run({
      error: Float32Array.from(error),
      importance: Float32Array.of(1, 10),
    });
    return [loss, mse].map((value) => (value as Float32Array)[0]);
  };
  expect(await lossOf([2, 2, 0, 0])).toEqual([2, 2]);
  expect(await lossOf([2, -2, 0, 0])).toEqual([10, 2]);
  expect(await lossOf([0, 0, 2, -2])).toEqual([100, 2]);
  await program.dispose();
});

it('trains motion modules, small enough for the package, and nothing else', () => {
  const { layout } = inspectStage(stage);
  const names = layout.slots.map(({ name }) => name);
  expect(names.filter((name) => !/^motion\..*motion_modules/.test(name))).toEqual([]);
  expect(names.some((name) => name.includes('pos_embed'))).toBe(false);
  expect(2 * layout.total).toBeLessThan(10e6);
});

it('leaves the tokens of pictures as they are, and has one for each word of moves', () => {
  const [before, after] = [pictureVocabulary(), clipVocabulary()].map((vocabulary) =>
    toyboxTokenizer(vocabulary),
  );
  const words = sceneGenerator(9);
  for (const scene of poolScenes({ firstSeed: 1, count: 200 })) {
    const { text } = describeScene(scene, words);
    expect([...after.encode(text).ids]).toEqual([...before.encode(text).ids]);
  }
  for (const word of MOVE_WORDS) expect(after.encode(word).tokens).toEqual([`${word}</w>`]);
});

it('has loud embeddings for the words that tell moves apart, one for each move', async () => {
  const [pictures, tokenizer] = [pictureVocabulary(), clipVocabulary()].map((vocabulary) =>
    toyboxTokenizer(vocabulary),
  );
  const unet = await readComponent('unet', DIFFUSERS_FILE);
  const { shape, data } = await wordRows({ text: await pictureTextEncoder(), unet, pictures }, tokenizer);
  const [rows, width] = shape;
  expect(rows).toBe(tokenizer.vocabSize - pictures.vocabSize);
  const rowOf = (word: string) => {
    const at = (tokenizer.encode(word).ids[1] - pictures.vocabSize) * width;
    return data.subarray(at, at + width);
  };
  const deviation = (word: string) => Math.sqrt(rowOf(word).reduce((sum, v) => sum + v * v, 0) / width);
  for (const words of Object.values(KEY_WORDS)) {
    for (const word of words) {
      expect(rowOf(word)).toEqual(rowOf(words[0]));
      expect(deviation(word)).toBeGreaterThan(0.5);
    }
  }
  expect(new Set(Object.values(KEY_WORDS).map(([word]) => rowOf(word)[0])).size).toBe(9);
  const keys = Object.values(KEY_WORDS).flat();
  for (const word of MOVE_WORDS.filter((each) => !keys.includes(each) && !WORDS.includes(each))) {
    expect(deviation(word)).toBeLessThan(0.1);
  }
});
