import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { invertChain } from '../../diffusion/inversion.ts';
import { edict } from '../../diffusion/samplers/edict.ts';
import { sample } from '../../diffusion/trajectory.ts';
import { createImage, type Image } from '../../image/image.ts';
import { loadPipeline } from '../../pipeline/load-pipeline.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { writeTinyModel } from '../../pipeline/testing.ts';
import { Generator } from '../../random/generator.ts';
import { refine, refinement } from './refine.ts';
import { parseRefineRequest } from './refine-request.ts';

const image = createImage(
  32,
  32,
  Uint8Array.from(new Generator(1).rand([32 * 32 * 3]), (value) => 255 * value),
);
/** White on the left half. */
const mask = createImage(
  32,
  32,
  Uint8Array.from({ length: image.data.length }, (_, i) => (Math.floor(i / 3) % 32 < 16 ? 255 : 0)),
);
const prompt = 'a red cat';
const request = { image, prompt, seed: 5, steps: 3, iterations: 1, saliency: 'centre' } as const;

let pipeline: Pipeline;
let model: Awaited<ReturnType<typeof writeTinyModel>>;
beforeAll(async () => {
  model = await writeTinyModel();
  pipeline = await loadPipeline(model.dir, { threads: 1 });
});
afterAll(async () => {
  await pipeline.dispose();
  await model.remove();
});

const differences = (a: Image, b: Image) => a.data.map((value, i) => Math.abs(value - b.data[i]));

describe('refine', () => {
  it('begins with what the autoencoder keeps of the image, and moves on from there', async () => {
    const phases: string[] = [];
    const onStep = ({ phase, step, steps }: { phase: string; step: number; steps: number }) =>
      void phases.push(`${phase} ${step}/${steps}`);
    const { input, before, last } = await refine(request, { pipeline, onStep });
    const roundTrip = await pipeline.decode(await pipeline.encode(image), image);
    expect(input).toEqual(image);
    expect(Math.max(...differences(before.image, roundTrip))).toBeLessThanOrEqual(1);
    expect(last.iteration).toBe(1);
    expect(last.image.data).not.toEqual(before.image.data);
    expect(phases).toEqual(
      ['invert', 'denoise', 'gradient', 'denoise'].flatMap((phase) =>
        [1, 2, 3].map((step) => `${phase} ${step}/3`),
      ),
    );
  });

  it('changes at once what a source prompt says otherwise', async () => {
    const sourcePrompt = 'a blue boat';
    const { before } = await refine({ ...request, sourcePrompt, iterations: 0 }, { pipeline });
    const same = await refine({ ...request, sourcePrompt: prompt, iterations: 0 }, { pipeline });
    const plain = await refine({ ...request, iterations: 0 }, { pipeline });
    expect(same.before.image).toEqual(plain.before.image);
    expect(before.image.data).not.toEqual(plain.before.image.data);
  });

  it('lets the pair of EDICT take turns from the first step that runs', async () => {
    // Of five steps two run: the first one is odd.
    const source = { ...request, steps: 5, strength: 0.4, sourcePrompt: 'a blue boat', iterations: 0 };
    const { before } = await refine(source, { pipeline });
    const settings = { steps: 5, guidanceScale: 1, ...image };
    const denoiser = (text: string) => pipeline.denoiser({ ...settings, prompt: text });
    const clean = await pipeline.encode(image);
    const decoded = async (firstStep: number) => {
      const sampler = edict(pipeline.noisePath(image), 5, { firstStep });
      const [state] = await invertChain(sampler, await denoiser('a blue boat'), [clean, clean], {
        startIndex: 3,
      });
      const [x, y] = await sample(sampler, await denoiser(prompt), state, { startIndex: 3 });
      return { x: await pipeline.decode(x, image), y: await pipeline.decode(y, image) };
    };
    const [right, wrong] = [await decoded(3), await decoded(0)];
    const nearest = (found: { x: Image; y: Image }) =>
      Math.min(...[found.x, found.y].map((one) => Math.max(...differences(one, before.image))));
    expect(nearest(right)).toBeLessThanOrEqual(1);
    expect(right.x.data).not.toEqual(wrong.x.data);
  });

  it('inverts as many steps as its strength says', async () => {
    const { before, last } = await refine({ ...request, strength: 0.4 }, { pipeline });
    // One step of three, two calls: back, forth, back again for the gradient, and forth.
    expect(last.evaluations).toEqual({ forward: 2 + 2 + 2 + 2, pullback: 2 });
    const roundTrip = await pipeline.decode(await pipeline.encode(image), image);
    expect(Math.max(...differences(before.image, roundTrip))).toBeLessThanOrEqual(1);
  });

  it.each([false, true])('keeps every byte of what the mask protects (inverted: %s)', async (invertMask) => {
    for (const trajectory of ['checkpointed', 'invertible'] as const) {
      const { last } = await refine({ ...request, mask, invertMask, trajectory }, { pipeline });
      const changed = differences(last.image, image);
      const isOpen = (i: number) => Math.floor(i / 3) % 32 < 16 !== invertMask;
      expect(changed.filter((_, i) => !isOpen(i)).every((value) => value === 0)).toBe(true);
      expect(changed.some((value, i) => isOpen(i) && value > 0)).toBe(true);
    }
  });

  it('takes what may change as salient when the saliency model is the mask', async () => {
    const { before } = await refine(
      { ...request, mask, invertMask: true, iterations: 0, saliency: 'mask' },
      { pipeline },
    );
    expect([before.saliency?.data[5], before.saliency?.data[25]]).toEqual([0, 1]);
  });

  it('stops during the inversion', async () => {
    const controller = new AbortController();
    const run = refine(request, {
      pipeline,
      signal: controller.signal,
      onStep: ({ phase }) => phase === 'invert' && controller.abort(),
    });
    await expect(run).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('a request that cannot be met says what would be right', () => {
  it.each<[string, object, RegExp]>([
    [
      'a mask of another shape',
      { mask: createImage(32, 16, [255, 255, 255]) },
      /32 x 16.*32 x 32.*same shape/,
    ],
    ['an empty mask', { mask: createImage(8, 8) }, /black all over.*paint white/],
    [
      'a full mask, inverted',
      { mask: createImage(8, 8, [255, 255, 255]), invertMask: true },
      /white all over/,
    ],
    ['an inverted mask that is none', { invertMask: true }, /needs a mask/],
    [
      'the edge of a mask that is none',
      { feather: 3 },
      /feather 3 is the width of the edge of a mask, and there is none/,
    ],
    ['a strength of nothing', { strength: 0 }, /refine: strength is not usable, got 0/],
    ['an empty source prompt', { sourcePrompt: '' }, /sourcePrompt is not usable.*must not be empty/],
    [
      'a setting of other methods',
      { clipGuidanceScale: 2 },
      /^refine: clipGuidanceScale: refine has no such option; clip-guided has it$/,
    ],
    ['an unknown key', { method: 'sgool' }, /refine: unknown key method; choose from prompt/],
    ['no image', { image: undefined }, /refine: image is not usable, got nothing/],
    [
      'a setting of another edit',
      { controlEta: 0.5 },
      /^refine: controlEta is a setting of edit rf-inversion, got edit edict; leave it out$/,
    ],
    [
      'a setting of Prompt-to-Prompt under RF-inversion',
      { edit: 'rf-inversion', selfReplace: 0.5 },
      /^refine: selfReplace is a setting of edit p2p, got edit rf-inversion; leave it out$/,
    ],
    [
      'an interval in which nothing is drawn back',
      { edit: 'rf-inversion', controlEta: 0, controlStop: 0.5 },
      /^refine: controlStop 0.5 has no effect with controlEta 0; it needs controlEta above 0$/,
    ],
    [
      'weights of attention that never follows',
      { edit: 'p2p', sourcePrompt: 'a cat', crossReplace: 0, reweight: 'cat=2' },
      /^refine: reweight cat=2 has no effect with crossReplace 0; it needs crossReplace above 0$/,
    ],
    ['no prompt', { prompt: ' ' }, /refine: prompt.*must not be empty/],
  ])('%s', (_, wrong, message) => {
    expect(() => parseRefineRequest({ ...request, ...wrong })).toThrow(message);
  });

  it('another sampler', async () => {
    await expect(refine({ ...request, sampler: 'ddim' }, { pipeline })).rejects.toThrow(
      /^refine: sampler must be edict or reversible-heun, got ddim; no other sampler is exactly invertible, but edit sdedit takes any$/,
    );
  });

  it('RF-inversion of a model that is no flow, by another sampler, or over no interval', async () => {
    const flow = { image, prompt, seed: 5, steps: 3, edit: 'rf-inversion' } as const;
    await expect(refine(flow, { pipeline })).rejects.toThrow(
      /^refine: edit rf-inversion is for rectified flows such as Stable Diffusion 3 and Flux, got .*; use edit edict, p2p or sdedit$/,
    );
    await expect(refine({ ...flow, sampler: 'heun' }, { pipeline })).rejects.toThrow(
      /^refine: sampler must be euler for edit rf-inversion, got heun$/,
    );
    await expect(refine({ ...flow, controlStart: 0.5 }, { pipeline })).rejects.toThrow(
      /^refine: controlStart must not lie behind controlStop, got 0.5 and 0.25$/,
    );
  });

  it('a mask of which nothing is left', () => {
    const large = createImage(640, 640);
    const dot = createImage(640, 640);
    dot.data.set([255, 255, 255]);
    const method = refinement(parseRefineRequest({ image: large, mask: dot, prompt }));
    expect(() => method.prepare({ width: 32, height: 32 })).toThrow(/nothing is left of the mask at 32 x 32/);
  });
});
