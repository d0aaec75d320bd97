/** @file What a network sees in the latent of a frame, and the way back. */
import { expect, it } from 'vitest';
import { dot } from '../numbers.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { useTinyPipeline } from '../pipeline/testing/tiny-pipeline.ts';
import { Generator } from '../random/generator.ts';

let pipeline: Pipeline;
useTinyPipeline((opened) => {
  pipeline = opened;
});

const size = { width: 32, height: 32 };
const latent = Float64Array.from(new Generator(4).randn([256]), (value) => 0.3 * value);

it('CLIP sees the decoded frame', async () => {
  const features = await (await pipeline.frameFeatures('clip', size)).of(latent);
  const length = Math.hypot(...features);
  const image = await pipeline.decode(latent, size);
  const expected = await (await pipeline.critic()).embedImage(image);
  // The image is in whole levels.
  features.forEach((value, i) => {
    expect(value / length).toBeCloseTo(expected[i], 2);
  });
});

it('takes cotangents of what is seen back to the latent', async () => {
  const { of, pullback } = await pipeline.frameFeatures('clip', size);
  const cotangent = new Generator(5).randn([8]);
  const slope = await pullback(latent, cotangent);
  const direction = slope.map((value) => value / Math.hypot(...slope));
  const at = async (step: number) =>
    dot(await of(latent.map((value, i) => value + step * direction[i])), cotangent);
  const step = 1e-2;
  const found = ((await at(step)) - (await at(-step))) / (2 * step);
  expect(found / Math.hypot(...slope)).toBeCloseTo(1, 2);
});
