/** @file Clips of a model with a motion adapter against diffusers' AnimateDiffPipeline: fixtures/make/animate_diff.py. */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ddim } from '../diffusion/samplers/ddim.ts';
import { runTrajectory } from '../diffusion/trajectory.ts';
import { addFrameLatent, frameLatent } from '../models/frames.ts';
import { rescheduledNoise } from '../models/free-noise.ts';
import { relativeError } from '../networks/testing.ts';
import { dot } from '../numbers.ts';
import { Generator } from '../random/generator.ts';
import { openSafetensors, readTensor } from '../weights/formats/safetensors.ts';
import { openTensorFile } from '../weights/formats/tensor-file.ts';
import { lazily, writeSafetensors } from '../weights/formats/write-safetensors.ts';
import { type LoadOptions, loadPipeline } from './load-pipeline.ts';
import type { Pipeline } from './pipeline.ts';

const data = new URL('../../../../fixtures/data/', import.meta.url).pathname;
const model = `${data}pipeline`;
const motion = `${data}motion/adapter`;
const size = { width: 32, height: 32 };
const clip = { ...size, frames: 3 };
const options = { prompt: 'a photo of a cat', negativePrompt: 'dog', guidanceScale: 3 };

let dir: string;
const NAMES = ['noise', 'plain', 'lora', 'frames', 'long.noise', 'long.plain', 'long.rescheduled'] as const;
let expected: Readonly<Record<(typeof NAMES)[number], Float32Array>>;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-motion-'));
  const file = await openSafetensors(`${data}motion/expected.safetensors`);
  const read = async (name: string) => [name, await readTensor(file, name)] as const;
  expected = Object.fromEntries(await Promise.all(NAMES.map(read))) as never;
});
afterAll(() => rm(dir, { recursive: true }));

async function withPipeline<T>(
  given: LoadOptions,
  use: (pipeline: Pipeline) => Promise<T>,
  folder = model,
): Promise<T> {
  const pipeline = await loadPipeline(folder, given);
  try {
    return await use(pipeline);
  } finally {
    await pipeline.dispose();
  }
}

/** The latent that three DDIM steps make of the stored noise. */
async function madeBy(pipeline: Pipeline): Promise<Float64Array> {
  const denoiser = await pipeline.denoiser({ ...options, ...clip });
  const sampler = ddim(pipeline.noisePath(clip), 3);
  const { final } = await runTrajectory('checkpointed', sampler, denoiser, Float64Array.from(expected.noise));
  return final[0];
}

describe('clips as diffusers makes them', () => {
  it.each<[string, LoadOptions]>([
    ['the folder of an adapter', { motion }],
    ['a file in such a folder', { motion: `${motion}/diffusion_pytorch_model.safetensors` }],
    ['with guidance in one batch, and blocks computed again', { motion, memory: 'low' }],
  ])('%s', async (_, given) => {
    await withPipeline(given, async (pipeline) => {
      const latent = await madeBy(pipeline);
      expect(relativeError(latent, expected.plain)).toBeLessThan(2e-5);
      const shape = pipeline.latentShape(clip);
      for (const frame of [0, 2]) {
        const { data: levels } = await pipeline.decode(frameLatent(latent, shape, frame), clip);
        const planes = expected.frames.subarray(frame * 3072, (frame + 1) * 3072);
        const wanted = planes.map((_, i) => Math.round(255 * planes[(i % 3) * 1024 + Math.floor(i / 3)]));
        expect(Math.max(...wanted.map((level, i) => Math.abs(level - levels[i])))).toBeLessThanOrEqual(1);
      }
    });
  });

  it('a file with the published names, beside its configuration', async () => {
    const folder = join(dir, 'published');
    await mkdir(folder);
    await cp(`${data}motion/original.ckpt`, join(folder, 'mm.ckpt'));
    await cp(`${motion}/config.json`, join(folder, 'config.json'));
    await withPipeline({ motion: join(folder, 'mm.ckpt') }, async (pipeline) => {
      // The tables of positions are made anew, where those of the adapter's folder are rounded to float16.
      expect(relativeError(await madeBy(pipeline), expected.plain)).toBeLessThan(3e-4);
    });
  });

  it('a folder of AnimateDiffPipeline, whose scheduler is taken as it is', async () => {
    const folder = join(dir, 'clips');
    await cp(model, folder, { recursive: true });
    const change = async (file: string, keys: object) => {
      const text = await readFile(join(folder, file), 'utf8').catch(() => '{}');
      await writeFile(join(folder, file), JSON.stringify({ ...JSON.parse(text), ...keys }));
    };
    await change('model_index.json', {
      _class_name: 'AnimateDiffPipeline',
      unet: ['diffusers', 'UNetMotionModel'],
      motion_adapter: ['diffusers', 'MotionAdapter'],
    });
    await change('scheduler/scheduler_config.json', { beta_schedule: 'linear' });
    await rm(join(folder, 'unet/config.json'));
    await change('unet/config.json', JSON.parse(await readFile(`${data}motion/unet_config.json`, 'utf8')));
    const weights = 'unet/diffusion_pytorch_model.safetensors';
    const [own, modules] = [
      await openTensorFile(join(model, weights)),
      await openTensorFile(`${motion}/diffusion_pytorch_model.safetensors`),
    ];
    const both = new Map([...own.tensors, ...modules.tensors]);
    await writeSafetensors(join(folder, weights), lazily(both), { format: 'pt' });
    // As the pipeline saves it. The UNet has its own modules, which are the ones that count.
    await cp(motion, join(folder, 'motion_adapter'), { recursive: true });
    await withPipeline(
      {},
      async (pipeline) => {
        expect(pipeline.model.motion).toEqual({ frames: 6, mostFrames: 6, fps: 8 });
        expect(pipeline.model.notes ?? []).toEqual([]);
        expect(relativeError(await madeBy(pipeline), expected.plain)).toBeLessThan(2e-5);
      },
      folder,
    );
  });

  it.each(['lora.safetensors', 'lora.ckpt'])('with the motion LoRA %s', async (name) => {
    const loras = [{ path: `${data}motion/${name}`, weight: 0.8 }];
    await withPipeline({ motion, loras }, async (pipeline) => {
      expect(relativeError(await madeBy(pipeline), expected.lora)).toBeLessThan(2e-5);
    });
  });
});

describe('longer clips, in windows', () => {
  const long = { ...size, frames: 8 };
  const windows = { motion, contextFrames: 4, contextStride: 2 };

  it('as diffusers makes them with FreeNoise', async () => {
    await withPipeline(windows, async (pipeline) => {
      expect(pipeline.model.motion).toMatchObject({ windows: { frames: 4, stride: 2 } });
      const denoiser = await pipeline.denoiser({ ...options, ...long });
      const sampler = ddim(pipeline.noisePath(long), 3);
      const start = Float64Array.from(expected['long.noise']);
      const { final } = await runTrajectory('checkpointed', sampler, denoiser, start);
      expect(relativeError(final[0], expected['long.plain'])).toBeLessThan(2e-5);
      const shape = pipeline.latentShape(long);
      const random = new Generator(1);
      const drawn = Float64Array.from(random.randn(shape));
      expect([...rescheduledNoise(drawn, shape, pipeline.model.motion?.windows, random)]).toEqual([
        ...expected['long.rescheduled'],
      ]);
    });
  });

  it('windows that the adapter does not see at once, or that leave gaps, are refused', async () => {
    const refused = (given: LoadOptions, message: RegExp, folder?: string) =>
      expect(withPipeline({ ...windows, ...given }, async () => {}, folder)).rejects.toThrow(message);
    await refused({ contextFrames: 7 }, /contextFrames: must be a whole number from 2 to 6, .* got 7/);
    await refused(
      { contextStride: 5 },
      /contextStride: must be a whole number from 1 to contextFrames \(4\), got 5/,
    );
    await refused(
      { contextFrames: undefined },
      /contextStride: 2 changes nothing without windows; give contextFrames too/,
    );
    await refused({ motion: undefined }, /it makes no clips, so contextFrames changes nothing, got 4/);
  });
});

describe('a model with an adapter', () => {
  it('makes pictures as it does without one, bit for bit', async () => {
    const noise = Float64Array.from(new Generator(4).randn([1, 4, 8, 8]));
    const picture = async (pipeline: Pipeline) => {
      const denoiser = await pipeline.denoiser({ ...options, ...size });
      const sampler = ddim(pipeline.noisePath(size), 2);
      const trajectory = await runTrajectory('checkpointed', sampler, denoiser, noise);
      return { final: trajectory.final[0], gradient: await trajectory.pullback(trajectory.final) };
    };
    expect(await withPipeline({ motion }, picture)).toEqual(await withPipeline({}, picture));
    expect(
      await withPipeline({ motion }, async (pipeline) => pipeline.latentShape({ ...size, frames: 1 })),
    ).toEqual([1, 4, 8, 8]);
  });

  it('has a gradient over all frames, which is the derivative along any direction', async () => {
    await withPipeline({ motion }, async (pipeline) => {
      const denoiser = await pipeline.denoiser({ ...options, ...clip });
      const random = new Generator(6);
      const [at, along, cotangent] = [1, 2, 3].map(() =>
        Float64Array.from(random.randn(denoiser.latentShape)),
      );
      const predictAt = (step: number) =>
        denoiser.predict(
          at.map((value, i) => value + step * along[i]),
          500,
        );
      const [ahead, behind] = [await predictAt(0.002), await predictAt(-0.002)];
      const slope = dot(
        cotangent,
        ahead.map((value, i) => (value - behind[i]) / 0.004),
      );
      const gradient = await denoiser.pullback(at, 500, cotangent);
      expect(dot(gradient, along) / slope).toBeCloseTo(1, 2);
      // Every frame acts on every other.
      const ofOne = new Float64Array(at.length);
      addFrameLatent(ofOne, denoiser.latentShape, 0, frameLatent(cotangent, denoiser.latentShape, 0));
      const first = await denoiser.pullback(at, 500, ofOne);
      for (const frame of [0, 1, 2]) {
        const part = frameLatent(first, denoiser.latentShape, frame);
        expect(Math.sqrt(dot(part, part))).toBeGreaterThan(1e-4);
      }
    });
  });

  it('samples clips with linear betas, and says so', async () => {
    await withPipeline({ motion }, async (pipeline) => {
      const [pictures, clips] = [pipeline.noisePath(size), pipeline.noisePath(clip)];
      expect(pipeline.noisePath({ ...size, frames: 1 })).toBe(pictures);
      expect(clips.level(500)).toBeLessThan(pictures.level(500));
      expect(pipeline.model.notes?.join()).toMatch(
        /clips are sampled with linear betas, as motion adapters are trained, where its scheduler says scaled_linear/,
      );
    });
  });

  it('whose folder has a scheduler is sampled with that', async () => {
    const folder = join(dir, 'with-scheduler');
    await cp(motion, folder, { recursive: true });
    await cp(`${model}/scheduler`, join(folder, 'scheduler'), { recursive: true });
    await withPipeline({ motion: folder }, async (pipeline) => {
      expect(pipeline.noisePath(clip).level(500)).toBe(pipeline.noisePath(size).level(500));
      expect(pipeline.model.notes ?? []).toEqual([]);
    });
  });

  it('standardises each frame by itself where that is asked for', async () => {
    const made = await withPipeline({ motion, motionNorm: 'frame' }, madeBy);
    expect(relativeError(made, expected.plain)).toBeGreaterThan(1e-3);
  });
});

describe('refused in one line', () => {
  const opened = (given: LoadOptions) => withPipeline(given, async ({ latentShape }) => latentShape(clip));

  it('clips of a model for pictures, of no number of frames, or longer than the table', async () => {
    await expect(opened({})).rejects.toThrow(
      /makes pictures and no clips, got 3 frames; give a motion adapter/,
    );
    await withPipeline({ motion }, async ({ latentShape }) => {
      expect(() => latentShape({ ...size, frames: 7 })).toThrow(/7 are more than .*; take at most 6/);
      for (const frames of [0, -1, 1.5]) {
        expect(() => latentShape({ ...size, frames })).toThrow(/must be a whole number from 1/);
      }
    });
  });

  it('what reads the attention', async () => {
    await withPipeline({ motion }, async (pipeline) => {
      await expect(pipeline.crossAttention({ ...options, ...clip })).rejects.toThrow(
        /pictures only, got 3 frames/,
      );
    });
  });

  it('an adapter of another width, of another kind, and what is none', async () => {
    const changed = async (keys: object) => {
      const folder = await mkdtemp(join(dir, 'adapter-'));
      await cp(motion, folder, { recursive: true });
      const config = JSON.parse(await readFile(`${motion}/config.json`, 'utf8'));
      await writeFile(join(folder, 'config.json'), JSON.stringify({ ...config, ...keys }));
      return { motion: folder };
    };
    await expect(opened(await changed({ block_out_channels: [16, 32] }))).rejects.toThrow(
      /its motion modules are for blocks of widths 16, 32, the UNet has 8, 16/,
    );
    await expect(opened(await changed({ conv_in_channels: 9 }))).rejects.toThrow(/a PIA adapter/);
    await expect(opened(await changed({ _class_name: 'UNet2DConditionModel' }))).rejects.toThrow(
      /is of a UNet2DConditionModel; a MotionAdapter is expected/,
    );
    await expect(opened({ motion: `${data}adapters/locon.safetensors` })).rejects.toThrow(
      /not a motion adapter/,
    );
    await expect(opened({ motion: join(dir, 'nothing.ckpt') })).rejects.toThrow(/nothing\.ckpt/);
  });

  it('a motion LoRA without an adapter', async () => {
    const loras = [{ path: `${data}motion/lora.ckpt` }];
    await expect(opened({ loras })).rejects.toThrow(/changes motion modules, which this model does not have/);
  });

  it('a motion LoRA for modules that the adapter lacks', async () => {
    const { tensors } = await openTensorFile(`${data}motion/lora.safetensors`);
    const path = join(dir, 'deeper.safetensors');
    const moved = [...tensors].map(
      ([name, x]) => [name.replace(/^unet\.down_blocks\.0/, 'unet.down_blocks.7'), x] as const,
    );
    await writeSafetensors(path, lazily(new Map(moved)), {});
    await expect(opened({ motion, loras: [{ path }] })).rejects.toThrow(
      /made for another model.*the unet has no module down_blocks_7_motion_modules/,
    );
  });
});
