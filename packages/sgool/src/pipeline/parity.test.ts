import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sampler } from '../diffusion/sampler.ts';
import { ddim } from '../diffusion/samplers/ddim.ts';
import { edict } from '../diffusion/samplers/edict.ts';
import { runTrajectory } from '../diffusion/trajectory.ts';
import { wholeCrop } from '../image/crops.ts';
import { runToEnd } from '../methods/generate.ts';
import { methods } from '../methods/index.ts';
import { sum } from '../numbers.ts';
import type { ObjectiveResult } from '../objectives/objective.ts';
import { clipGuide } from '../preference/clip-guide.ts';
import { openSafetensors, readTypedTensor, type SafetensorsFile } from '../weights/formats/safetensors.ts';
import { loadPipeline } from './load-pipeline.ts';
import type { Pipeline } from './pipeline.ts';

const dir = new URL('../../../../fixtures/data/pipeline', import.meta.url).pathname;
const size = { width: 32, height: 32 };
const prompt = 'a photo of a cat';
const options = { prompt, negativePrompt: 'dog', guidanceScale: 3, ...size };

let pipeline: Pipeline;
let expected: SafetensorsFile;
beforeAll(async () => {
  pipeline = await loadPipeline(dir);
  expected = await openSafetensors(`${dir}/expected.safetensors`);
});
afterAll(() => pipeline.dispose());

const read = async (name: string) => (await readTypedTensor(expected, name)).data as Float64Array;

/** Largest difference over the largest expected value. */
function error(actual: ArrayLike<number>, wanted: Float64Array): number {
  expect(actual).toHaveLength(wanted.length);
  const size = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return wanted.reduce((most, value, i) => Math.max(most, Math.abs(actual[i] - value)), 0) / size;
}

describe('compared with diffusers and transformers', () => {
  it('gives the same image for the same seed', async () => {
    const { before } = await runToEnd(methods.sd.run(pipeline, { ...options, seed: 0, steps: 4 }));
    expect(error(before.latent, await read('noise'))).toBe(0);
    const planes = await read('picture');
    const wanted = planes.map((_, i) => Math.round(255 * planes[(i % 3) * 1024 + Math.floor(i / 3)]));
    const levels = wanted.map((level, i) => Math.abs(level - before.image.data[i]));
    expect(Math.max(...levels)).toBeLessThanOrEqual(1);
    // A value may lie between two levels.
    expect(levels.filter((difference) => difference > 0).length).toBeLessThan(0.01 * levels.length);
  });

  it('gives the same embedding of a text', async () => {
    const critic = await pipeline.critic();
    expect(error(await critic.embedText(prompt), await read('text'))).toBeLessThan(1e-5);
  });

  it.each(['ddim', 'edict'] as const)(
    'gives the same gradient of the CLIP loss at the noise (%s)',
    async (name) => {
      const sampler: Sampler = { ddim, edict }[name](pipeline.noisePath(size), 4);
      const denoiser = await pipeline.denoiser(options);
      const critic = await pipeline.critic();
      const objective = await pipeline.objective({
        ...size,
        parts: [{ guide: clipGuide(await pipeline.critic()), views: 1 }],
        saturatedGradient: 'clamp',
      });
      const crop = wholeCrop({ ...size, side: critic.side });
      const views = [{ crop, aim: { text: await critic.embedText(prompt) }, weight: 1 }];

      const trajectory = await runTrajectory('checkpointed', sampler, denoiser, await read('noise'));
      expect(
        error(
          trajectory.final.flatMap((final) => [...final]),
          await read(`${name}.final`),
        ),
      ).toBeLessThan(1e-5);
      const results: ObjectiveResult[] = [];
      for (const final of trajectory.final) results.push(await objective.evaluate(final, [{ views }]));
      const loss = sum(results.map(({ total }) => total));
      expect(loss).toBeCloseTo((await read(`${name}.loss`))[0], 5);
      const gradient = await trajectory.pullback(results.map((result) => result.gradient));
      expect(error(gradient, await read(`${name}.gradient`))).toBeLessThan(1e-4);
    },
  );
});
