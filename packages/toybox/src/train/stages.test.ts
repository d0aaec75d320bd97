import { compile, sizeOf, trace } from '@sgool/autodiff';
import { describe, expect, it, vi } from 'vitest';
import { autoencoderStage } from '../stages/autoencoder.ts';
import { clipStage } from '../stages/clip.ts';
import { CLIP_A } from '../stages/configs.ts';
import { edgeLoss, flowAutoencoderStage } from '../stages/flow-autoencoder.ts';
import { STAGES } from '../stages/stages.ts';
import { toyboxTokenizer } from '../stages/tokenizer.ts';
import { transalnetStage } from '../stages/transalnet.ts';
import { batchGenerator } from './batch-generator.ts';
import type { ScenePool } from './scenes.ts';
import type { Stage } from './trainer.ts';
import { inspectStage } from './trainer.ts';

// Pools of thousands of images take too long here: a dozen images stand for all.
vi.mock(import('./scenes.ts'), async (importOriginal) => {
  const scenes = await importOriginal();
  const few = <T>(make: (pool: ScenePool) => T[]) => {
    return (pool: ScenePool): T[] => {
      const some = make({ ...pool, count: 12 });
      return Array.from({ length: pool.count }, (_, i) => some[i % some.length]);
    };
  };
  return {
    ...scenes,
    trainingScenes: few(scenes.trainingScenes),
    trainingScenesWithMasks: few(scenes.trainingScenesWithMasks),
  };
});

const stages: [string, () => Stage | Promise<Stage>][] = [
  ['autoencoder', autoencoderStage],
  ["toybox-flow's autoencoder", flowAutoencoderStage],
  ['judge', STAGES.judge.stage],
  ['judge that counts', STAGES.judge_counts.stage],
  ['CLIP', () => clipStage({ name: 'clip', size: CLIP_A, seed: 21, steps: 10 })],
  ['TranSalNet', transalnetStage],
];

describe.each(stages)('the stage of %s', async (_, make) => {
  const stage = await make();

  it('has batches as its program wants them, finite, the same for the same numbers', () => {
    const batch = stage.batch(batchGenerator(5), 0);
    expect(Object.keys(batch).sort()).toEqual(Object.keys(stage.inputs).sort());
    for (const [name, { shape }] of Object.entries(stage.inputs)) {
      const values = batch[name] as Float32Array;
      expect(values, name).toHaveLength(sizeOf(shape));
      expect(values.every(Number.isFinite), name).toBe(true);
      expect(
        values.some((value) => value !== values[0]),
        name,
      ).toBe(true);
    }
    const again = stage.batch(batchGenerator(5), 0);
    for (const name of Object.keys(batch)) {
      const bytes = (array: unknown) => Buffer.from((array as Float32Array).buffer);
      expect(bytes(again[name]).equals(bytes(batch[name])), name).toBe(true);
    }
  });

  it('has a program with a loss of one number', () => {
    const { layout, names } = inspectStage(stage);
    expect(names.slice(0, 2)).toEqual(['loss', 'norm']);
    expect(layout.total).toBeGreaterThan(10_000);
  });
});

it("toybox-flow's autoencoder is taught edges: differences of the error to the right and below", async () => {
  const shape = [1, 1, 2, 3];
  const program = await compile(trace({ error: { shape } }, ({ error }) => ({ loss: edgeLoss(error) })));
  const { loss } = await program.run({ error: Float32Array.of(0, 1, 3, -1, -1, 4) });
  await program.dispose();
  const rights = [1, 2, 0, 5];
  const downs = [1, 2, 1];
  const mean = (values: number[]) => values.reduce((a, b) => a + b) / values.length;
  expect((loss as Float32Array)[0]).toBeCloseTo(mean(rights) + mean(downs), 6);
});

describe('the batches of CLIP', () => {
  const stage = clipStage({ name: 'clip', size: CLIP_A, seed: 21, steps: 10 });
  const batch = stage.batch(batchGenerator(6), 0) as Record<string, Float32Array>;
  const [images, texts] = stage.inputs.target.shape as [number, number];

  it('have one right text for each image, and hide those that are true of it by chance', () => {
    for (let i = 0; i < images; i++) {
      const row = (name: string) => batch[name].subarray(i * texts, (i + 1) * texts);
      expect(row('target').indexOf(1)).toBe(i);
      expect(row('target').reduce((a, b) => a + b, 0)).toBe(1);
      expect(row('hidden')[i]).toBe(0);
      // Hard negatives are false: never hidden.
      const own = images + i * ((texts - images) / images);
      for (let k = 0; k < (texts - images) / images; k++) expect(row('hidden')[own + k]).toBe(0);
    }
    expect(batch.hidden.some((value) => value < 0)).toBe(true);
  });

  it('have texts that begin with the start token and end where they say', () => {
    const { endId, startId } = toyboxTokenizer();
    let seen = 0;
    for (const room of ['long', 'short']) {
      const [rows, tokens] = stage.inputs[`${room}Ids`].shape as [number, number];
      for (let row = 0; row < rows; row++) {
        const ids = batch[`${room}Ids`].subarray(row * tokens, (row + 1) * tokens);
        expect(ids[0]).toBe(startId);
        expect(ids.indexOf(endId)).toBe(batch[`${room}Ends`][row]);
      }
      seen += rows;
    }
    expect(seen).toBe(texts);
  });

  it('label every patch with one kind and one colour', () => {
    for (const name of ['kinds', 'colours']) {
      const classes = stage.inputs[name].shape[2];
      for (let at = 0; at < batch[name].length; at += classes) {
        const row = batch[name].subarray(at, at + classes);
        const named = row.filter((value) => value > 0);
        expect(named).toHaveLength(1);
        // Patches that show a thing carry their full weight, empty ones less.
        if (row[classes - 1] === 0) expect(named[0]).toBe(1);
        else expect(named[0]).toBeLessThan(1);
      }
    }
  });
});
