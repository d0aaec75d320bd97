import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { linear, mean, square, sub } from '@sgool/autodiff';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fillNormal } from './batch-generator.ts';
import type { NamedWeights } from './export.ts';
import type { Progress } from './progress.ts';
import { learningRateAt, type Stage, train } from './trainer.ts';

const silent: Progress = { note() {}, step() {}, validated() {}, stop() {} };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'toybox-train-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Learns y = 2 a - b + 0.5 c from noise. */
function tinyStage(more: Partial<Stage> & { outputs?: number } = {}): Stage {
  const outputs = more.outputs ?? 1;
  return {
    name: 'tiny',
    seed: 3,
    inputs: { x: { shape: [16, 3] }, y: { shape: [16, outputs] } },
    optimiser: { steps: 40, learningRate: 0.1, warmup: 5, emaDecay: 0.9 },
    objective(weights, { x, y }) {
      const predicted = linear(
        x,
        weights.get('out.weight', [outputs, 3]),
        weights.get('out.bias', [outputs]),
      );
      return { loss: mean(square(sub(predicted, y))) };
    },
    batch(generator) {
      const x = fillNormal(new Float32Array(16 * 3), generator);
      const y = Float32Array.from({ length: 16 * outputs }, (_, i) => {
        const row = Math.floor(i / outputs);
        return 2 * x[3 * row] - x[3 * row + 1] + 0.5 * x[3 * row + 2];
      });
      return { x, y };
    },
    validate: async (weights) => ({ first: valuesOf(weights)[0] }),
    validateEvery: 8,
    ...more,
  };
}

/** The trained numbers of a weight. */
function valuesOf(weights: NamedWeights, name = 'out.weight'): number[] {
  return [...(weights.get(name)?.data ?? [])];
}

describe('a training', () => {
  it('learns', async () => {
    const { weights, history, finished } = await train(tinyStage(), { folder, progress: silent, steps: 150 });
    expect(finished).toBe(true);
    expect(history[history.length - 1].train.loss).toBeLessThan(0.01);
    expect(valuesOf(weights).map((v) => Math.round(10 * v) / 10)).toEqual([2, -1, 0.5]);
  });

  it('learns with Muon on the matrices and AdamW on the rest', async () => {
    const stage = tinyStage({ outputs: 2 });
    const muon = { select: (name: string) => name === 'out.weight', learningRate: 0.1 };
    const { layout, weights, history } = await train(
      { ...stage, optimiser: { ...stage.optimiser, weightDecay: 0, muon } },
      { folder, progress: silent, steps: 200 },
    );
    expect(layout.stacks).toEqual([{ offset: 0, size: 6, shape: [1, 2, 3] }]);
    expect(history[history.length - 1].train.loss).toBeLessThan(0.05);
    const found = valuesOf(weights).map((v) => Math.round(10 * v) / 10);
    expect(found).toEqual([2, -1, 0.5, 2, -1, 0.5]);
  });

  it.each([
    ['AdamW', undefined],
    ['Muon', { select: (name: string) => name === 'out.weight', learningRate: 0.05 }],
  ])('with %s that was stopped resumes to exactly the same weights', async (_, muon) => {
    const { optimiser } = tinyStage();
    const tiny = () => tinyStage({ optimiser: { ...optimiser, muon } });
    const whole = await train(tiny(), { folder, progress: silent });
    const other = await mkdtemp(path.join(folder, 'stopped-'));
    const stop = new AbortController();
    const stopping = tiny();
    const interrupted: Stage = {
      ...stopping,
      batch(generator, step) {
        if (step === 12) stop.abort();
        return stopping.batch(generator, step);
      },
    };
    const half = await train(interrupted, { folder: other, progress: silent, signal: stop.signal });
    expect(half).toMatchObject({ finished: false, step: 13 });
    const resumed = await train(tiny(), { folder: other, progress: silent });
    expect(resumed).toMatchObject({ finished: true, step: 40 });
    for (const [name, { data }] of whole.weights) expect(valuesOf(resumed.weights, name)).toEqual([...data]);
    // Means of the training loss begin anew at a resumption; figures on held-out data do not.
    const held = (history: typeof whole.history) => history.map(({ step, held }) => ({ step, held }));
    expect(held(resumed.history)).toEqual(held(whole.history));
  });

  it('that is finished is not run again, and its data is not prepared', async () => {
    await train(tinyStage(), { folder, progress: silent });
    const never = () => {
      throw new Error('not needed');
    };
    const again = await train(tinyStage({ prepare: never, batch: never }), { folder, progress: silent });
    expect(again).toMatchObject({ finished: true, step: 40 });
  });

  it('keeps the last checkpoint when the loss becomes NaN', async () => {
    const base = tinyStage();
    const broken: Stage = {
      ...base,
      batch(generator, step) {
        const batch = base.batch(generator, step);
        if (step === 20) (batch.y as Float32Array)[0] = Number.NaN;
        return batch;
      },
    };
    await expect(train(broken, { folder, progress: silent })).rejects.toThrow(
      /train tiny: the loss became NaN at step 20/,
    );
    const resumed = await train(tinyStage(), { folder, progress: silent, steps: 20 });
    expect(resumed.step).toBe(20);
    expect(valuesOf(resumed.weights).every(Number.isFinite)).toBe(true);
  });
});

describe('a checkpoint', () => {
  it('of another configuration is refused', async () => {
    await train(tinyStage(), { folder, progress: silent, steps: 2 });
    await expect(train(tinyStage({ outputs: 2 }), { folder, progress: silent, steps: 2 })).rejects.toThrow(
      /holds 4 weights, the stage has 8; it belongs to another configuration/,
    );
  });

  it('that is broken is refused in one line', async () => {
    await writeFile(path.join(folder, 'tiny.checkpoint.safetensors'), 'no checkpoint at all');
    await expect(train(tinyStage(), { folder, progress: silent, steps: 2 })).rejects.toThrow(
      /tiny\.checkpoint\.safetensors/,
    );
  });
});

describe('the learning rate', () => {
  const optimiser = { steps: 100, learningRate: 2, warmup: 10, finalShare: 0.1 };
  const at = (step: number) => learningRateAt(step, 100, optimiser);

  it('rises in a line, and falls along a cosine to its last share', () => {
    expect(at(0)).toBeCloseTo(0.2, 10);
    expect(at(4)).toBeCloseTo(1, 10);
    expect(at(9)).toBeCloseTo(2, 10);
    expect(at(10)).toBeCloseTo(2, 10);
    expect(at(55)).toBeCloseTo(1.1, 10);
    expect(at(100)).toBeCloseTo(0.2, 10);
    for (let step = 10; step < 99; step++) expect(at(step + 1)).toBeLessThan(at(step));
  });

  it('may stay at its highest, and fall in the last steps only', () => {
    const flat = (step: number) => learningRateAt(step, 100, { ...optimiser, decaySteps: 40 });
    expect([flat(4), flat(9), flat(10), flat(60)]).toEqual([at(4), 2, 2, 2]);
    expect(flat(80)).toBeCloseTo(1.1, 10);
    expect(flat(100)).toBeCloseTo(0.2, 10);
    for (let step = 60; step < 99; step++) expect(flat(step + 1)).toBeLessThan(flat(step));
    // More last steps than there are: it falls from the end of the warm-up on.
    expect(learningRateAt(55, 100, { ...optimiser, decaySteps: 400 })).toBe(at(55));
  });

  it('stays where it ended', () => {
    expect(at(150)).toBe(at(100));
  });
});
