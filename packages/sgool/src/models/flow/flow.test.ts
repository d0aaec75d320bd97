import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { dot } from '../../numbers.ts';
import { loadPipeline } from '../../pipeline/load-pipeline.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { type TinyFlow, writeTinyFlow } from '../../pipeline/testing.ts';
import { Generator } from '../../random/generator.ts';
import { commonDefaults } from '../../request/defaults.ts';
import { readConfig } from '../../weights/sources/read-config.ts';
import { messageOf } from '../../weights/testing.ts';
import { rescaledGuidance } from '../guidance-rescale.ts';

const size = { width: 32, height: 32 };
const normal = (seed: number) => Float64Array.from(new Generator(seed).randn([1024]));
const along = (a: Float64Array, b: Float64Array, step: number) => a.map((value, i) => value + step * b[i]);

const ends: (() => Promise<void>)[] = [];
afterAll(async () => {
  for (const end of ends) await end();
});

/** The folder of a tiny flow, of which a configuration may be changed. */
async function folderOf(name: TinyFlow, file?: string, changes: object = {}): Promise<string> {
  const { dir, remove } = await writeTinyFlow(name);
  ends.push(remove);
  if (file !== undefined) {
    const config = await readConfig(join(dir, file));
    await writeFile(join(dir, file), JSON.stringify({ ...config, ...changes }));
  }
  return dir;
}

async function opened(dir: string): Promise<Pipeline> {
  const pipeline = await loadPipeline(dir, { threads: 1 });
  ends.push(() => pipeline.dispose());
  return pipeline;
}

const pipelines = new Map<TinyFlow, Promise<Pipeline>>();
function pipelineOf(name: TinyFlow): Promise<Pipeline> {
  const pipeline = pipelines.get(name) ?? folderOf(name).then(opened);
  pipelines.set(name, pipeline);
  return pipeline;
}

describe('what a flow says of itself', () => {
  it.each([
    ['sd3', { width: 32, height: 32, published: { steps: 28, guidanceScale: 7 } }],
    // Files of Flux do not say for which size the model was trained: it is 128 latents, here of 4 pixels.
    ['flux-dev', { width: 512, embedsGuidance: true, published: { steps: 28, guidanceScale: 3.5 } }],
    ['flux-schnell', { width: 512, fewStep: { sampler: 'euler', steps: 4, guidanceScale: 1 } }],
  ] as const)('%s', async (name, expected) => {
    const { model, latentShape, noisePath } = await pipelineOf(name);
    const common = {
      sizeMultiple: 8,
      scaleFactor: 4,
      latentChannels: 16,
      sampler: 'euler',
      keepsSampler: true,
    };
    expect(model).toMatchObject({ ...common, ...expected });
    expect(model.notes).toEqual([]);
    const { steps, guidanceScale, sampler } = { ...model.published, sampler: 'euler', ...model.fewStep };
    expect(commonDefaults(model)).toMatchObject({ steps, guidanceScale, sampler });
    expect(latentShape({ width: 40, height: 24 })).toEqual([1, 16, 6, 10]);
    expect(noisePath(size)).toMatchObject({ kind: 'rectified-flow', predicts: 'velocity' });
  });

  it('names what is missing and goes on: T5, and the scheduler', async () => {
    const dir = await folderOf('sd3-without-t5');
    await rm(join(dir, 'scheduler'), { recursive: true });
    const { model, noisePath } = await opened(dir);
    expect(model.notes).toEqual([
      `${dir} has no scheduler/scheduler_config.json: that of the published models is used`,
      `${dir} has no T5 (text_encoder_3): its place is zero, as published; prompts are read by the CLIPs alone`,
    ]);
    const { levels } = noisePath(size).stops(4);
    expect(levels[1]).toBeCloseTo(0.8576923, 6);
  });

  it('spreads the steps of Flux dev by the tokens of the image, those of schnell evenly', async () => {
    const dev = await pipelineOf('flux-dev');
    // 1024 tokens: μ 0.63.
    expect(dev.noisePath({ width: 256, height: 256 }).stops(4).levels[1]).toBeCloseTo(0.8492348, 6);
    expect((await pipelineOf('flux-schnell')).noisePath(size).stops(4).levels).toEqual([
      1, 0.75, 0.5, 0.25, 0,
    ]);
  });
});

describe('guidance', () => {
  const options = { prompt: 'a photo of a cat', negativePrompt: 'dog', ...size };

  it('is confined to a part of the chain, and rescaled, with the gradient', async () => {
    const pipeline = await pipelineOf('sd3-without-t5');
    const guided = { ...options, guidanceScale: 4 };
    const [whole, within, alone, rescaled] = await Promise.all([
      pipeline.denoiser(guided),
      pipeline.denoiser({ ...guided, guidanceStart: 0.3, guidanceStop: 0.6 }),
      pipeline.denoiser({ ...options, guidanceScale: 1 }),
      pipeline.denoiser({ ...guided, guidanceRescale: 0.7 }),
    ]);
    const [latent, direction, cotangent] = [normal(1), normal(2), normal(3)];
    for (const [timestep, same] of [
      [800, alone],
      [500, whole],
      [100, alone],
    ] as const) {
      expect(await within.predict(latent, timestep)).toEqual(await same.predict(latent, timestep));
    }
    const [g, p] = [await whole.predict(latent, 500), await alone.predict(latent, 500)];
    const expected = rescaledGuidance(Float32Array.from(g), Float32Array.from(p), 0.7);
    (await rescaled.predict(latent, 500)).forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i], 3);
    });
    const step = 1e-2;
    const ahead = await rescaled.predict(along(latent, direction, step), 500);
    const behind = await rescaled.predict(along(latent, direction, -step), 500);
    const slope = dot(cotangent, along(ahead, behind, -1)) / (2 * step);
    const gradient = await rescaled.pullback(latent, 500, cotangent);
    expect(Math.abs(dot(gradient, direction) - slope)).toBeLessThan(
      0.01 * Math.sqrt(dot(gradient, gradient) * dot(direction, direction)),
    );
  });

  it('is an input of Flux dev, at one evaluation a call, and cannot be rescaled there', async () => {
    const pipeline = await pipelineOf('flux-dev');
    const [weak, strong] = await Promise.all(
      [1, 5].map((guidanceScale) => pipeline.denoiser({ ...options, guidanceScale })),
    );
    expect(await weak.predict(normal(1), 500)).not.toEqual(await strong.predict(normal(1), 500));
    expect(strong.evaluations).toEqual({ forward: 1, pullback: 0 });
    const rescaled = pipeline.denoiser({ ...options, guidanceScale: 5, guidanceRescale: 0.5 });
    expect(await messageOf(rescaled)).toContain('takes the guidance scale as an input');
  });
});

describe('prompts', () => {
  it('are read without weights, and change from step to step', async () => {
    const pipeline = await pipelineOf('sd3-without-t5');
    const weighted = pipeline.checkPrompt('a (red:1.3) cat BREAK a dog');
    expect(weighted.notes).toContain(
      'weights and breaks in a prompt are not supported by this model; it reads the words alone',
    );
    expect(pipeline.checkPrompt('a (red:1.3) cat', { promptSyntax: 'plain' }).notes).toEqual([]);
    const at = async (prompt: string, timestep: number) => {
      const denoiser = await pipeline.denoiser({
        ...size,
        prompt,
        guidanceScale: 1,
        timesteps: [900, 700, 300, 100],
      });
      return denoiser.predict(normal(1), timestep);
    };
    expect(await at('a (red:1.3) cat', 900)).toEqual(await at('a red cat', 900));
    expect(await at('a [cat:dog:0.5]', 900)).toEqual(await at('a cat', 900));
    expect(await at('a [cat:dog:0.5]', 100)).toEqual(await at('a dog', 100));
  });

  it('are cut where every encoder is full, and a note says which read less', async () => {
    const long = 'a photo of a cat '.repeat(8);
    const withoutT5 = (await pipelineOf('sd3-without-t5')).checkPrompt(long);
    expect(withoutT5).toMatchObject({ truncated: true, notes: [] });
    for (const name of ['sd3', 'flux-dev'] as const) {
      const fit = (await pipelineOf(name)).checkPrompt(long);
      expect(fit).toMatchObject({ truncated: false, lost: 0 });
      expect(fit.notes).toEqual([
        expect.stringMatching(/^the prompt is longer than the 14 tokens that the CLIP/),
      ]);
      const longest = (await pipelineOf(name)).checkPrompt('cat '.repeat(600));
      expect(longest).toMatchObject({ truncated: true, notes: fit.notes });
    }
    expect((await pipelineOf('flux-schnell')).checkPrompt('cat '.repeat(300)).lost).toBe(300 - 255);
    expect((await pipelineOf('flux-dev')).checkPrompt('cat '.repeat(300)).lost).toBe(0);
  });
});

describe('what does not fit is named in one line', () => {
  it.each([
    ['sd3', 'transformer/config.json', { in_channels: 4 }, 'takes 4 channels and gives 16'],
    ['sd3', 'transformer/config.json', { joint_attention_dim: 47 }, 'reads text of width 47'],
    ['sd3', 'transformer/config.json', { pooled_projection_dim: 37 }, 'reads pooled text of width 37'],
    ['sd3', 'vae/config.json', { latent_channels: 8 }, 'latents of 16 channels, the autoencoder gives 8'],
    [
      'sd3',
      'scheduler/scheduler_config.json',
      { _class_name: 'DDIMScheduler' },
      'not a scheduler of rectified flows',
    ],
    ['sd3', 'scheduler/scheduler_config.json', { shift: -1 }, 'shift -1 is not supported'],
    ['flux-dev', 'transformer/config.json', { joint_attention_dim: 23 }, 'T5 gives 24'],
    ['flux-dev', 'transformer/config.json', { pooled_projection_dim: 15 }, 'the CLIP gives 16'],
  ] as const)('%s, %s %j', async (name, file, changes, expected) => {
    expect(await messageOf(loadPipeline(await folderOf(name, file, changes)))).toContain(expected);
  });

  it('sizes beyond the places of the transformer, clips, and skips of a CLIP that is not skipped', async () => {
    const [sd3, dev] = [await pipelineOf('sd3'), await pipelineOf('flux-dev')];
    expect(() => sd3.latentShape({ width: 64, height: 32 })).toThrow(
      /sides must be at most 56 for .*, got 64x32/,
    );
    expect(() => dev.latentShape({ ...size, frames: 2 })).toThrow(
      /makes pictures, not clips; frames must be 1, got 2/,
    );
    const skipped = dev.denoiser({ ...size, prompt: 'a cat', guidanceScale: 1, clipSkip: 2 });
    expect(await messageOf(skipped)).toContain('clipSkip has no effect with Flux');
  });
});
