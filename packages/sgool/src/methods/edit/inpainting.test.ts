/** @file Models for inpainting, against diffusers' StableDiffusionInpaintPipeline (fixtures/make/inpainting.py). */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ddim } from '../../diffusion/samplers/ddim.ts';
import { runTrajectory } from '../../diffusion/trajectory.ts';
import { createImage, type Image } from '../../image/image.ts';
import { mayChange } from '../../image/mask.ts';
import { FIXTURES } from '../../networks/testing.ts';
import { loadPipeline } from '../../pipeline/load-pipeline.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { Generator } from '../../random/generator.ts';
import { parseMethodRequest } from '../../request/request.ts';
import { openSafetensors, readTypedTensor, type SafetensorsFile } from '../../weights/formats/safetensors.ts';
import { detailImage } from '../detail/detail-image.ts';
import { generate } from '../generate.ts';
import { METHOD_NAMES, METHODS, methods } from '../index.ts';
import { settingsOf } from '../run/create-method.ts';
import { requestTo } from '../testing.ts';
import { refine, refinement } from './refine.ts';
import { parseRefineRequest, type RefineRequest } from './refine-request.ts';

const size = { width: 52, height: 36 };

let dir: string;
let pipeline: Pipeline;
let expected: SafetensorsFile;
let request: RefineRequest & { image: Image; mask: Image };
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-inpainting-'));
  await cp(`${FIXTURES}pipeline`, dir, { recursive: true });
  await cp(`${FIXTURES}inpainting`, dir, { recursive: true });
  pipeline = await loadPipeline(dir, { threads: 1 });
  expected = await openSafetensors(`${FIXTURES}inpainting/expected.safetensors`);
  const imageOf = async (name: string) =>
    createImage(
      size.width,
      size.height,
      Uint8Array.from((await readTypedTensor(expected, name)).data, Number),
    );
  request = {
    image: await imageOf('image'),
    mask: await imageOf('mask'),
    prompt: 'a photo of a cat',
    negativePrompt: 'dog',
    seed: 0,
    steps: 6,
    guidanceScale: 3,
    iterations: 0,
    saliency: 'centre',
    feather: 0,
    ...size,
  };
});
afterAll(async () => {
  await pipeline.dispose();
  await rm(dir, { recursive: true });
});

const read = async (name: string) => Float64Array.from((await readTypedTensor(expected, name)).data, Number);

/** Largest difference over the largest expected value. */
function error(actual: ArrayLike<number>, wanted: Float64Array): number {
  expect(actual).toHaveLength(wanted.length);
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return wanted.reduce((most, value, i) => Math.max(most, Math.abs(actual[i] - value)), 0) / largest;
}

/** The pipeline, and the latents that it decodes. */
function watched(): { pipeline: Pipeline; decoded: Float64Array[] } {
  const decoded: Float64Array[] = [];
  const decode: Pipeline['decode'] = (latent, ofSize) => {
    decoded.push(latent);
    return pipeline.decode(latent, ofSize);
  };
  return { pipeline: { ...pipeline, decode }, decoded };
}

describe('refine with a mask', () => {
  it.each([
    ['ddim', 1, 3],
    ['ddim', 1, 1],
    ['ddim', 0.5, 3],
    ['ddim', 0.99, 3],
    ['euler', 1, 3],
    ['euler', 0.7, 3],
    ['euler-ancestral', 0.7, 3],
    ['dpm-solver', 1, 3],
    ['dpm-solver', 0.7, 3],
    ['unipc', 0.7, 3],
    ['lms', 1, 3],
    ['pndm', 1, 3],
  ] as const)(
    'makes what the pipeline makes: %s, strength %d, guidance %d',
    async (sampler, strength, guidanceScale) => {
      const { pipeline, decoded } = watched();
      const { before } = await refine({ ...request, sampler, strength, guidanceScale }, { pipeline });
      expect(error(decoded[0], await read(`${sampler} ${strength} ${guidanceScale}`))).toBeLessThan(1e-4);
      const painted = await pipeline.decode(decoded[0], size);
      const open = mayChange(request.mask, false);
      before.image.data.forEach((value, i) => {
        const shown = open[Math.floor(i / 3)] ? painted : request.image;
        if (value !== shown.data[i]) expect.fail(`value ${i} is ${value}, not ${shown.data[i]}`);
      });
    },
  );

  it('takes the gradient of the noise through the network, whose mask stays', async () => {
    const maskedImage = { images: [request.image], open: mayChange(request.mask, false) };
    const denoiser = await pipeline.denoiser({ ...request, ...size, guidanceScale: 3, maskedImage });
    const noise = Float64Array.from(new Generator(0).randn(pipeline.latentShape(size)));
    const sampler = ddim(pipeline.noisePath(size), 6);
    const trajectory = await runTrajectory('checkpointed', sampler, denoiser, noise);
    const gradient = await trajectory.pullback([await read('cotangent')]);
    expect(error(gradient, await read('gradient'))).toBeLessThan(1e-4);
  });

  it.each(['checkpointed', 'invertible'] as const)(
    'optimises the noise of what is open, and keeps every byte of the rest (%s)',
    async (trajectory) => {
      const sampler = trajectory === 'invertible' ? 'edict' : 'ddim';
      const settings = { ...request, steps: 3, iterations: 2, sampler, trajectory } as const;
      const { before, last } = await refine(settings, { pipeline });
      const open = mayChange(request.mask, false);
      let moved = 0;
      last.image.data.forEach((value, i) => {
        if (!open[Math.floor(i / 3)]) expect(value).toBe(request.image.data[i]);
        else if (value !== before.image.data[i]) moved++;
      });
      expect(moved).toBeGreaterThan(0);
      const { rows, columns } = { rows: 9, columns: 13 };
      // The element in the upper left corner is red in no mask, and 0 in this one.
      expect(last.latent[0]).toBe(before.latent[0]);
      const centre = 4 * columns + 6;
      expect(last.latent[centre]).not.toBe(before.latent[centre]);
      expect(last.latent).toHaveLength(4 * rows * columns);
    },
  );

  it('has the settings of generation, with the sampler of the model', () => {
    const masked = refinement(parseRefineRequest(request));
    const { iterations, sampler, steps, ...rest } = { ...request, sampler: undefined };
    const settings = settingsOf(
      masked,
      pipeline,
      parseMethodRequest({ prompt: request.prompt }, masked, METHODS),
    );
    const plain = methods.sd.defaults(pipeline.model);
    expect(settings).toMatchObject({ sampler: 'ddim', guidanceScale: plain.guidanceScale });
    expect(settings.learningRate).toBe(methods.sgool.defaults(pipeline.model).learningRate);
    expect(masked.notes(size, pipeline.model)).toEqual([
      expect.stringMatching(/paints what the mask leaves open/),
    ]);
    const { mask, feather, ...unmasked } = rest;
    const without = refinement(parseRefineRequest(unmasked));
    expect(without.defaults(pipeline.model)).toMatchObject({ sampler: 'edict', guidanceScale: 1 });
    expect(without.notes(size, pipeline.model)).toEqual([expect.stringMatching(/without a mask/)]);
    expect(without.notes(size, {})).toEqual([]);
  });

  it('shows the network what a mask says, and not the bars of a letterbox', async () => {
    const seen: unknown[] = [];
    const denoiser: Pipeline['denoiser'] = (options) => {
      seen.push(options.maskedImage?.open);
      return pipeline.denoiser(options);
    };
    const { mask, ...unmasked } = request;
    const letterboxed = { ...unmasked, height: 52, fit: 'letterbox', guidanceScale: 1 } as const;
    for (const more of [request, { ...letterboxed, edit: 'sdedit' as const }])
      await refine({ ...more, steps: 2 }, { pipeline: { ...pipeline, denoiser } });
    expect(seen).toEqual([mayChange(mask, false), undefined]);
  });

  it('optimises a later latent, of which the mask leaves the rest where it was', async () => {
    const { before, last } = await refine(
      { ...request, strength: 0.7, sampler: 'euler-ancestral', optimiseFrom: 4, iterations: 1 },
      { pipeline },
    );
    const { before: plain } = await refine(
      { ...request, strength: 0.7, sampler: 'euler-ancestral' },
      { pipeline },
    );
    expect(before.image).toEqual(plain.image);
    expect(before.latent).not.toEqual(plain.latent);
    expect(last.latent[0]).toBe(before.latent[0]);
    expect(last.latent[4 * 13 + 6]).not.toBe(before.latent[4 * 13 + 6]);
  });

  it.each<[string, object, RegExp]>([
    [
      'a description of an image that is not inverted',
      { sourcePrompt: 'a dog' },
      /^refine: sourcePrompt does not go together with a mask and a model for inpainting/,
    ],
    [
      'another edit',
      { edit: 'sdedit' },
      /^refine: edit sdedit does not go together with a mask and a model for inpainting.*iterations 0/,
    ],
    ['less than a step', { strength: 0.1 }, /^refine: strength 0.1 of 6 steps is less than one step/],
  ])('refuses %s', async (_, wrong, message) => {
    await expect(refine({ ...request, ...wrong }, { pipeline })).rejects.toThrow(message);
  });
});

it('inverts an image without a mask as any model does', async () => {
  const { mask, feather, guidanceScale, ...unmasked } = request;
  const { before } = await refine(unmasked, { pipeline });
  const roundTrip = await pipeline.decode(await pipeline.encode(request.image), size);
  const differences = before.image.data.map((value, i) => Math.abs(value - roundTrip.data[i]));
  expect(Math.max(...differences)).toBeLessThanOrEqual(1);
  await expect(refine({ ...unmasked, sampler: 'ddim' }, { pipeline })).rejects.toThrow(
    /sampler must be edict or reversible-heun/,
  );
});

describe('generation', () => {
  it('paints the whole image', async () => {
    const { pipeline, decoded } = watched();
    const { prompt, negativePrompt, seed, steps, guidanceScale } = request;
    await generate(
      { method: 'sd', prompt, negativePrompt, seed, steps, guidanceScale, ...size },
      { pipeline },
    );
    expect(error(decoded[0], await read('whole'))).toBeLessThan(1e-4);
  });

  it.each(METHOD_NAMES)('works with %s', async (method) => {
    const { prompt, seed } = request;
    const settings = requestTo(method, {
      prompt,
      seed,
      steps: 2,
      iterations: 1,
      cutouts: 2,
      tokens: 'cat',
      ...size,
    });
    const { before, last } = await generate({ ...settings, method }, { pipeline });
    if (last !== before) expect(last.image.data).not.toEqual(before.image.data);
  });
});

it('the detail pass paints a region, and shows the model the image around it', async () => {
  const seen: unknown[] = [];
  const watched: Pipeline = {
    ...pipeline,
    denoiser(options) {
      seen.push(options.maskedImage?.open.reduce((sum, value) => sum + value, 0));
      return pipeline.denoiser(options);
    },
  };
  const { image, prompt } = request;
  const input = {
    ...{ image, prompt, seed: 0, steps: 4, boxes: '4,4,16,16', detailPadding: 8, regionDilation: 0 },
    ...{ guidanceScale: 1, width: 32, height: 32 },
  };
  const { best, before } = await detailImage(input, { pipeline: watched });
  // 16 of 28 or fewer pixels are 16 or more of 32.
  expect(seen).toEqual([expect.any(Number)]);
  expect(seen[0]).toBeGreaterThanOrEqual(16 * 16);
  expect(seen[0]).toBeLessThan(32 * 32);
  expect(best.image.data).not.toEqual(before.image.data);
});
