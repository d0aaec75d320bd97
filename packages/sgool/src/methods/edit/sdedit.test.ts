import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { samplersOn } from '../../diffusion/sampler-names.ts';
import { readFixture } from '../../diffusion/testing.ts';
import { createImage } from '../../image/image.ts';
import { loadPipeline } from '../../pipeline/load-pipeline.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { writeTinyModel } from '../../pipeline/testing.ts';
import { refine } from './refine.ts';
import { parseRefineRequest, type RefineRequest } from './refine-request.ts';

const read = readFixture('img2img.safetensors');
const image = createImage(32, 32, Uint8Array.from(read('image')));
const request = {
  image,
  prompt: 'a photo of a cat',
  negativePrompt: 'dog',
  edit: 'sdedit',
  guidanceScale: 3,
  steps: 6,
  seed: 3,
} as const satisfies RefineRequest;
/** White on the left half. */
const mask = createImage(
  32,
  32,
  Uint8Array.from({ length: 32 * 32 * 3 }, (_, i) => (Math.floor(i / 3) % 32 < 16 ? 255 : 0)),
);

let pipeline: Pipeline;
beforeAll(async () => {
  const dir = new URL('../../../../../fixtures/data/pipeline', import.meta.url).pathname;
  pipeline = await loadPipeline(dir, { threads: 1 });
});
afterAll(() => pipeline.dispose());

/** The latent that the run decodes last. */
async function finalLatent(more: Partial<RefineRequest>) {
  let final = new Float64Array();
  const decode: Pipeline['decode'] = (latent, size) => {
    final = latent as typeof final;
    return pipeline.decode(latent, size);
  };
  const result = await refine({ ...request, ...more }, { pipeline: { ...pipeline, decode } });
  return { final, ...result };
}

const SAMPLERS = ['ddim', 'pndm', 'euler', 'euler-ancestral', 'dpm-solver', 'unipc', 'heun', 'lcm'] as const;

/** Largest difference over the largest wanted value. */
function error(found: Float64Array, wanted: Float64Array): number {
  const most = Math.max(...wanted.map(Math.abs));
  return Math.max(...wanted.map((value, i) => Math.abs(value - found[i]))) / most;
}

describe('the edit sdedit', () => {
  it.each(SAMPLERS.flatMap((sampler) => [0.5, 0.8, 1].map((strength) => [sampler, strength] as const)))(
    'gives the latents of StableDiffusionImg2ImgPipeline: %s, strength %d',
    async (sampler, strength) => {
      const { final } = await finalLatent({ sampler, strength });
      expect(error(final, read(`${sampler}.${strength === 1 ? '1.0' : strength}`))).toBeLessThan(1e-4);
    },
  );

  it.each(['ddim', 'pndm', 'euler', 'dpm-solver', 'unipc'] as const)(
    'gives the latents of StableDiffusionInpaintPipeline inside a mask: %s',
    async (sampler) => {
      const { final, best } = await finalLatent({ sampler, mask, feather: 0 });
      expect(error(final, read(`inpaint.${sampler}`))).toBeLessThan(1e-4);
      best.image.data.forEach((value, i) => {
        if (mask.data[i] === 0) expect(value).toBe(image.data[i]);
      });
    },
  );

  it('is one pass of the sampler of the model, at strength 0.8, with guidance', async () => {
    const plain = { image, prompt: request.prompt, edit: 'sdedit', seed: 3, steps: 6 } as const;
    const { last, before } = await refine(plain, { pipeline });
    expect(last.iteration).toBe(0);
    // Four of six steps, each for two texts.
    expect(last.evaluations).toEqual({ forward: 8, pullback: 0 });
    const named = await refine(
      { ...plain, sampler: 'ddim', strength: 0.8, guidanceScale: 7.5 },
      { pipeline },
    );
    expect(named.before.image).toEqual(before.image);
    const other = await refine({ ...plain, seed: 4 }, { pipeline });
    expect(other.before.image.data).not.toEqual(before.image.data);
  });

  it.each(samplersOn('variance-preserving'))(
    'takes the sampler %s, with and without a mask, and optimises the noised latent',
    async (sampler) => {
      const short = {
        ...request,
        sampler,
        steps: 5,
        strength: 0.6,
        guidanceScale: 1,
        saliency: 'centre',
      } as const;
      const { before: plain } = await refine(short, { pipeline });
      for (const more of [{}, { mask }]) {
        const { before, last } = await refine({ ...short, ...more, iterations: 1 }, { pipeline });
        expect(last.image.data).not.toEqual(before.image.data);
        expect(last.loss?.total).toBeTypeOf('number');
        if (!('mask' in more)) expect(before.image).toEqual(plain.image);
      }
    },
  );

  it('has the same gradient both ways with EDICT, and none of the second inside a mask', async () => {
    const short = { ...request, sampler: 'edict', steps: 4, saliency: 'centre', iterations: 1 } as const;
    const by = (trajectory: 'checkpointed' | 'invertible', more = {}) =>
      refine({ ...short, trajectory, ...more }, { pipeline });
    const [kept, inverted] = [await by('checkpointed'), await by('invertible')];
    const moved = kept.last.latent.map((value, i) => value - kept.before.latent[i]);
    const apart = kept.last.latent.map((value, i) => value - inverted.last.latent[i]);
    expect(Math.hypot(...apart) / Math.hypot(...moved)).toBeLessThan(1e-3);
    await expect(by('invertible', { mask })).rejects.toThrow(/edict with 4 steps has no exact inverse/);
  });

  it('needs no CLIP for an image without iterations', async () => {
    const model = await writeTinyModel({ without: ['clip', 'clip_b', 'transalnet'] });
    const plain = await loadPipeline(model.dir, { threads: 1 });
    const { best } = await refine({ ...request, prompt: 'a cat', negativePrompt: '' }, { pipeline: plain });
    expect(best.clip).toEqual({});
    await plain.dispose();
    await model.remove();
  });
});

describe('a request that cannot be met says what would be right', () => {
  it.each<[string, object, RegExp]>([
    ['a source prompt', { sourcePrompt: 'a dog' }, /^refine: sourcePrompt "a dog" .* sdedit inverts nothing/],
    [
      'an unknown edit',
      { edit: 'img2img' },
      /edit is not usable, got "img2img"; choose one of edict, sdedit/,
    ],
  ])('%s', (_, wrong, message) => {
    expect(() => parseRefineRequest({ ...request, ...wrong })).toThrow(message);
  });

  it.each<[string, object, RegExp]>([
    [
      'less than a step',
      { strength: 0.1 },
      /strength 0.1 of 6 steps is less than one step; use 0.1667 or more/,
    ],
    [
      'a variable before the image',
      { optimiseFrom: 1, iterations: 1 },
      /step 1 of 6, .* enters at step 2; give 2 or more/,
    ],
    [
      'a sampler that edict has not',
      { edit: 'edict', sampler: 'ddim' },
      /sampler must be edict or reversible-heun.*sdedit takes any/,
    ],
  ])('%s', async (_, wrong, message) => {
    await expect(refine({ ...request, ...wrong }, { pipeline })).rejects.toThrow(message);
  });

  it('Runge-Kutta steps begin at the noise', async () => {
    const model = await writeTinyModel({
      scheduler: { _class_name: 'PNDMScheduler', skip_prk_steps: false },
    });
    const rungeKutta = await loadPipeline(model.dir, { threads: 1 });
    const run = refine(
      { ...request, prompt: 'a cat', negativePrompt: '', sampler: 'pndm' },
      { pipeline: rungeKutta },
    );
    await expect(run).rejects.toThrow(/pndm: cannot begin in the middle of the chain/);
    await rungeKutta.dispose();
    await model.remove();
  });
});
