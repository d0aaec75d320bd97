/** ReNO as published: the preset `reno` on a few-step model, with all its scorers. */
import { cp } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { writePreferenceModels, writeTinyModel } from '../pipeline/testing.ts';
import { defined } from '../testing.ts';
import { methods } from './index.ts';
import type { Iteration } from './run/iteration.ts';

let pipeline: Pipeline;
let remove: () => Promise<void>;
beforeAll(async () => {
  const turbo = { _class_name: 'EulerDiscreteScheduler', timestep_spacing: 'trailing' };
  const model = await writeTinyModel({ scheduler: turbo, without: ['clip_b', 'clip_c', 'transalnet'] });
  ({ remove } = model);
  await writePreferenceModels(model.dir);
  // As they lie after `sgool models add`.
  for (const [name, from] of [
    ['hps-v2.1', 'hps-v2'],
    ['pickscore', 'pickscore'],
    ['image-reward', 'image-reward'],
  ]) {
    const at = (...parts: string[]) => path.join(model.dir, ...parts);
    await cp(at('preference', from), at('weights', name), { recursive: true });
  }
  pipeline = await loadPipeline(model.dir, { threads: 1, env: { SGOOL_DATA_DIR: model.dir } });
});
afterAll(async () => {
  await pipeline.dispose();
  await remove();
});

const WEIGHTS = { 'hps-v2.1': 5, 'image-reward': 1, pickscore: 0.05, clip_a: 0.01 };

it('adds up its four rewards in their own scales, in one step, and keeps the best image by them', async () => {
  const iterations: Iteration[] = [];
  const request = { prompt: 'a red cat', seed: 5, preset: 'reno', iterations: 3 } as const;
  for await (const one of methods.doodl.run(pipeline, request)) iterations.push(one);
  expect(iterations).toHaveLength(4);
  // One network call for each image, and one back for each but the last.
  expect(iterations.at(-1)?.evaluations).toEqual({ forward: 4, pullback: 3 });
  const costs = iterations.map(({ loss, scores }) => {
    const { scorers = [], total } = defined(loss);
    expect(Object.fromEntries(scorers.map(({ name, weight }) => [name, weight]))).toEqual(WEIGHTS);
    expect(scorers.map(({ unit }) => unit)).toEqual([1, 1, 1, 1]);
    const sum = scorers.reduce((all, { weight, whole = Number.NaN }) => all + weight * whole, 0);
    expect(total).toBeCloseTo(sum, 3);
    return -Object.entries(WEIGHTS).reduce((all, [name, weight]) => all + weight * defined(scores)[name], 0);
  });
  const best = iterations.findLastIndex((one) => one.best);
  expect(costs[best]).toBe(Math.min(...costs));
  const norms = iterations.map(({ latent }) => Math.hypot(...latent));
  // At most the learning rate times the length of the gradient.
  const [first, second] = iterations.map(({ latent }) => latent);
  const moved = Math.hypot(...first.map((value, i) => value - second[i]));
  expect(moved).toBeGreaterThan(0);
  expect(moved).toBeLessThanOrEqual(5 * 0.1 * 1.9 + 1e-9);
  expect(new Set(norms).size).toBe(4);
});
