import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixedNoise } from '../diffusion/fresh-noise.ts';
import { invertChain } from '../diffusion/inversion.ts';
import type { Sampler } from '../diffusion/sampler.ts';
import { ddim } from '../diffusion/samplers/ddim.ts';
import { dpmSolver } from '../diffusion/samplers/dpm-solver.ts';
import { edict } from '../diffusion/samplers/edict.ts';
import { euler, eulerAncestral } from '../diffusion/samplers/euler.ts';
import { lcm } from '../diffusion/samplers/lcm.ts';
import { pndm } from '../diffusion/samplers/pndm.ts';
import { runTrajectory, sample } from '../diffusion/trajectory.ts';
import { wholeCrop } from '../image/crops.ts';
import { createImage } from '../image/image.ts';
import { guidanceEmbedding } from '../models/stable-diffusion/guidance-embedding.ts';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { clipGuide } from '../preference/clip-guide.ts';
import { Generator } from '../random/generator.ts';
import { defined } from '../testing.ts';
import { loadTokenizer } from '../text/load-tokenizer.ts';
import { openSafetensors, readTypedTensor, type SafetensorsFile } from '../weights/formats/safetensors.ts';
import { type GenerationRequest, methods } from './index.ts';
import type { Iteration } from './run/iteration.ts';

const data = new URL('../../../../fixtures/data/', import.meta.url).pathname;
const base = `${data}pipeline`;
const runs = `${data}runs`;
const size = { width: 32, height: 32 };
const prompt = 'a photo of a cat';
const guided = { prompt, negativePrompt: 'dog', guidanceScale: 3, ...size };

let expected: SafetensorsFile;
const folders: string[] = [];
const pipelines: Pipeline[] = [];
beforeAll(async () => {
  expected = await openSafetensors(`${runs}/expected.safetensors`);
});
afterAll(async () => {
  for (const pipeline of pipelines) await pipeline.dispose();
  for (const dir of folders) await rm(dir, { recursive: true, force: true });
});

const read = async (name: string) => (await readTypedTensor(expected, name)).data as Float64Array;

async function open(dir: string, options: Parameters<typeof loadPipeline>[1] = {}): Promise<Pipeline> {
  const pipeline = await loadPipeline(dir, { threads: 1, ...options });
  pipelines.push(pipeline);
  return pipeline;
}

/** A folder with files of another laid over it. */
async function combined(
  from: string,
  over: readonly (readonly [from: string, to: string])[],
): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'sgool-runs-'));
  folders.push(dir);
  await cp(from, dir, { recursive: true });
  for (const [source, target] of over) {
    await rm(join(dir, target), { recursive: true, force: true });
    await cp(join(runs, source), join(dir, target), { recursive: true });
  }
  return dir;
}

/** Largest difference over the largest expected value. */
function error(actual: ArrayLike<number>, wanted: Float64Array): number {
  expect(actual).toHaveLength(wanted.length);
  const size = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return wanted.reduce((most, value, i) => Math.max(most, Math.abs(actual[i] - value)), 0) / size;
}

/** Ten times what float32 networks leave; the largest seen is 5e-6, in gradients through CLIP. */
const CLOSE = 5e-5;

const flat = (latents: readonly Float64Array[]) => latents.flatMap((latent) => [...latent]);

/** The noise that follows the starting noise in the stream of seed 0. */
function noiseAfterStart(steps: number) {
  const random = new Generator(0);
  random.randn([256]);
  return fixedNoise(steps, 256, (count) => random.randn([count]));
}

type Loss = 'distance' | 'linear';

/** Final latent, loss and gradient of the noise, as errors. */
async function errors(
  name: string,
  pipeline: Pipeline,
  sampler: Sampler,
  loss: Loss,
  options: object = guided,
) {
  const denoiser = await pipeline.denoiser({ ...guided, ...options });
  const trajectory = await runTrajectory('checkpointed', sampler, denoiser, await read('noise'));
  const [final] = trajectory.final;
  const { total, gradient } = await lossOf(pipeline, final, loss);
  return {
    final: error(final, await read(`${name}.final`)),
    loss: error([total], await read(`${name}.loss`)),
    gradient: error(await trajectory.pullback([gradient]), await read(`${name}.gradient`)),
  };
}

async function lossOf(pipeline: Pipeline, final: Float64Array, loss: Loss) {
  if (loss === 'linear') {
    const gradient = await read('cotangent');
    return { total: final.reduce((sum, value, i) => sum + value * gradient[i], 0), gradient };
  }
  const critic = await pipeline.critic();
  const objective = await pipeline.objective({
    ...size,
    parts: [{ guide: clipGuide(await pipeline.critic()), views: 1 }],
    saturatedGradient: 'clamp',
  });
  const crop = wholeCrop({ ...size, side: critic.side });
  return objective.evaluate(final, [
    { views: [{ crop, aim: { text: await critic.embedText(prompt) }, weight: 1 }] },
  ]);
}

/** Runs a method to its end and keeps the latents that it decodes. */
async function collect(name: keyof typeof methods, pipeline: Pipeline, request: Partial<GenerationRequest>) {
  const finals: Float64Array[] = [];
  const iterations: Iteration[] = [];
  const watched: Pipeline = {
    ...pipeline,
    decode(latent, size) {
      finals.push(latent);
      return pipeline.decode(latent, size);
    },
  };
  for await (const one of methods[name].run(watched, { ...guided, seed: 0, ...request }))
    iterations.push(one);
  return { finals, iterations };
}

describe('Stable Diffusion 1', () => {
  let pipeline: Pipeline;
  beforeAll(async () => {
    pipeline = await open(base);
  });

  it.each([
    ['ddim10', ddim, 10, 'distance'],
    ['pndm50', pndm, 50, 'linear'],
    ['dpm20', dpmSolver, 20, 'linear'],
  ] as const)(
    '%s: latent, loss and gradient of the noise are those of diffusers',
    async (name, sampler, steps, loss) => {
      const found = await errors(name, pipeline, sampler(pipeline.noisePath(size), steps), loss);
      expect(found.final).toBeLessThan(CLOSE);
      expect(found.loss).toBeLessThan(CLOSE);
      expect(found.gradient).toBeLessThan(CLOSE);
    },
  );

  it('makes the latent of a seed that diffusers makes', async () => {
    const { finals } = await collect('sd', pipeline, { sampler: 'pndm', steps: 10 });
    expect(error(finals[0], await read('pndm10.float32.final'))).toBeLessThan(CLOSE);
  });

  it('walks EDICT forth as the equations do, and back to the last bit', async () => {
    const sampler = edict(pipeline.noisePath(size), 10);
    const denoiser = await pipeline.denoiser(guided);
    const noise = await read('noise');
    const finals = await sample(sampler, denoiser, noise);
    const wanted = await read('edict10.final');
    expect(error(flat(finals), wanted)).toBeLessThan(CLOSE);

    const [back] = await invertChain(sampler, denoiser, finals);
    expect(back).toEqual(sampler.initial(noise));
    // From the reference's end, too; what float32 networks differ by grows by p⁻² a step.
    const end = [wanted.slice(0, 256), wanted.slice(256)];
    const [[x, y]] = await invertChain(sampler, denoiser, end);
    expect(error(x, noise)).toBeLessThan(CLOSE);
    expect(error(y, noise)).toBeLessThan(CLOSE);
  });

  it.each(['ddim', 'pndm'] as const)(
    'is guided by CLIP at every step of %s as in the published pipeline',
    async (sampler) => {
      const settings = { sampler, steps: 5, cutouts: 0, clipGuidanceScale: 20 } as const;
      const { finals } = await collect('clip-guided', pipeline, settings);
      expect(error(finals[1], await read(`clip-guided.${sampler}.final`))).toBeLessThan(CLOSE);
      expect(error(finals[0], await read(`clip-guided.${sampler}.final`))).toBeGreaterThan(1e-2);
    },
  );

  /** What DOODL and SGOOL share in this test; the seed's noise is the reference's. */
  const iteration = { steps: 4, iterations: 1, cutouts: 0, preset: 'paper' } as const;
  /** With these the update is the gradient itself: half of the mean over the pair. */
  const bare = { ...iteration, clipGradient: 1e6, perturbation: 0, renormalise: false } as const;

  async function expectGradient(name: string, [first, second]: readonly Iteration[]) {
    const gradients = await read(`${name}.gradients`);
    const mean = gradients.slice(0, 256).map((value, i) => (value + gradients[256 + i]) / 2);
    const found = first.latent.map((value, i) => 2 * (value - second.latent[i]));
    expect(error(found, mean)).toBeLessThan(CLOSE);
  }

  it('goes one round of DOODL: loss, gradient of the noise, updated noise', async () => {
    const { iterations } = await collect('doodl', pipeline, iteration);
    expect(error([defined(iterations[0].loss).total], await read('doodl.loss'))).toBeLessThan(CLOSE);
    expect(error(iterations[1].latent, await read('doodl.updated'))).toBeLessThan(CLOSE);
    await expectGradient('doodl', (await collect('doodl', pipeline, bare)).iterations);
  });

  it('goes one round of SGOOL: loss and its parts, gradient of the noise, updated noise', async () => {
    const [left, top, width, height] = await read('sgool.box');
    const mask = createImage(size.width, size.height);
    for (let y = top; y < top + height; y++) {
      mask.data.fill(255, 3 * (y * size.width + left), 3 * (y * size.width + left + width));
    }
    const built = { saliency: 'mask', mask, regionPadding: 0, minRegionSide: 0, lambda: 0.5 } as const;
    const { iterations } = await collect('sgool', pipeline, { ...iteration, ...built });
    const { loss, regions } = iterations[0];
    expect(regions).toMatchObject([{ left, top, width, height }]);
    expect(error([defined(loss?.total)], await read('sgool.loss'))).toBeLessThan(CLOSE);
    expect(error([defined(loss?.whole)], await read('sgool.whole'))).toBeLessThan(CLOSE);
    expect(error([defined(loss?.regions)], await read('sgool.regions'))).toBeLessThan(CLOSE);
    expect(error(iterations[1].latent, await read('sgool.updated'))).toBeLessThan(CLOSE);
    await expectGradient('sgool', (await collect('sgool', pipeline, { ...bare, ...built })).iterations);
  });
});

describe('Stable Diffusion 2', () => {
  let pipeline: Pipeline;
  beforeAll(async () => {
    pipeline = await open(`${runs}/sd2`);
  });

  it('pads as its special_tokens_map.json says, and cuts prompts at that token', async () => {
    const tokenizer = await loadTokenizer(`${runs}/sd2/tokenizer`);
    const ids = (text: string) => [...tokenizer.encode(text).ids].slice(0, 8);
    // What transformers gives
    expect(ids('a cat')).toEqual([773, 320, 550, 774, 0, 0, 0, 0]);
    expect(ids('a cat! dog')).toEqual([773, 320, 550, 0, 544, 774, 0, 0]);
    expect(ids('hi!!there')).toEqual([773, 71, 328, 0, 0, 513, 592, 324]);
  });

  it('is no few-step model', () => {
    expect(pipeline.model.fewStep).toBeUndefined();
    expect(pipeline.noisePath(size).config.prediction_type).toBe('v_prediction');
  });

  it('ddim10: latent, loss and gradient of the noise are those of diffusers', async () => {
    const found = await errors('sd2.ddim10', pipeline, ddim(pipeline.noisePath(size), 10), 'linear');
    expect(found.final).toBeLessThan(CLOSE);
    expect(found.loss).toBeLessThan(CLOSE);
    expect(found.gradient).toBeLessThan(CLOSE);
  });

  it('makes the image of the seed', async () => {
    const { iterations } = await collect('sd', pipeline, { steps: 10 });
    const planes = await read('sd2.picture');
    const levels = planes.map((_, i) =>
      Math.abs(Math.round(255 * planes[(i % 3) * 1024 + Math.floor(i / 3)]) - iterations[0].image.data[i]),
    );
    expect(Math.max(...levels)).toBeLessThanOrEqual(1);
    expect(levels.filter((difference) => difference > 0).length).toBeLessThan(0.01 * levels.length);
  });
});

describe('SD-Turbo', () => {
  let pipeline: Pipeline;
  beforeAll(async () => {
    const dir = await combined(`${runs}/sd2`, [
      ['turbo_scheduler_config.json', 'scheduler/scheduler_config.json'],
    ]);
    pipeline = await open(dir, { clip: `${base}/clip` });
  });

  it.each([1, 4])('%i steps: latent and gradient of the noise are those of diffusers', async (steps) => {
    const sampler = euler(pipeline.noisePath(size), steps);
    const found = await errors(`turbo${steps}`, pipeline, sampler, 'linear', { guidanceScale: 0 });
    expect(found.final).toBeLessThan(CLOSE);
    expect(found.gradient).toBeLessThan(CLOSE);
  });

  it('4 ancestral steps, the noise between them from the stream of the seed', async () => {
    const sampler = eulerAncestral(pipeline.noisePath(size), 4, { freshNoise: noiseAfterStart(4) });
    const found = await errors('ancestral4', pipeline, sampler, 'linear', { guidanceScale: 1 });
    expect(found.final).toBeLessThan(CLOSE);
    expect(found.gradient).toBeLessThan(CLOSE);
  });

  it('makes the latent of a seed that diffusers makes, by the defaults alone', async () => {
    const { finals, iterations } = await collect('sd', pipeline, { guidanceScale: undefined });
    expect(iterations[0].evaluations.forward).toBe(1);
    expect(error(finals[0], await read('turbo1.float32.final'))).toBeLessThan(CLOSE);
  });
});

describe('a latent consistency model', () => {
  let pipeline: Pipeline;
  beforeAll(async () => {
    pipeline = await open(
      await combined(base, [
        ['lcm/unet', 'unet'],
        ['lcm/scheduler', 'scheduler'],
      ]),
    );
  });

  it('gets the guidance scale as an input', async () => {
    expect(error(guidanceEmbedding(8.5, 32), await read('lcm.embedding'))).toBeLessThan(CLOSE);
    expect(pipeline.model).toMatchObject({
      embedsGuidance: true,
      fewStep: { sampler: 'lcm', steps: 4, guidanceScale: 8.5 },
    });
    const at = async (guidanceScale: number) =>
      (await collect('sd', pipeline, { guidanceScale, steps: 1 })).iterations[0];
    const [weak, strong] = [await at(2), await at(8.5)];
    expect(weak.image.data).not.toEqual(strong.image.data);
    expect(strong.evaluations.forward).toBe(1);
  });

  it.each([1, 4])(
    '%i steps: latent, loss and gradient of the noise are those of diffusers',
    async (steps) => {
      const sampler = lcm(pipeline.noisePath(size), steps, { freshNoise: noiseAfterStart(steps) });
      const found = await errors(`lcm${steps}`, pipeline, sampler, 'distance', { guidanceScale: 8.5 });
      expect(found.final).toBeLessThan(CLOSE);
      expect(found.loss).toBeLessThan(CLOSE);
      expect(found.gradient).toBeLessThan(CLOSE);
    },
  );

  it('makes the latent of a seed that diffusers makes, by the defaults alone', async () => {
    const { finals } = await collect('sd', pipeline, { guidanceScale: undefined });
    expect(error(finals[0], await read('lcm.float32.final'))).toBeLessThan(CLOSE);
    const [again] = await sample(
      lcm(pipeline.noisePath(size), 4, { freshNoise: noiseAfterStart(4) }),
      await pipeline.denoiser({ ...guided, guidanceScale: 8.5 }),
      await read('noise'),
    );
    expect(error(again, finals[0])).toBe(0);
  });
});
