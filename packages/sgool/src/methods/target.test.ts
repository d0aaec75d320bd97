/** @file What methods steer to and score by: target images, a text for CLIP of its own, and where the latent is optimised. */
import { describe, expect, it } from 'vitest';
import { boxCrop } from '../image/crops.ts';
import { createImage } from '../image/image.ts';
import { dot } from '../numbers.ts';
import { norm } from '../optimisers/sphere.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { useTinyPipeline } from '../pipeline/testing/tiny-pipeline.ts';
import { Generator } from '../random/generator.ts';
import type { MethodRequest } from '../request/request.ts';
import { METHOD_NAMES, METHODS, type MethodName, methods, parseRequest } from './index.ts';
import type { Iteration } from './run/iteration.ts';
import { requestTo } from './testing.ts';

const request = {
  prompt: 'a red cat and a blue boat',
  seed: 5,
  steps: 4,
  iterations: 1,
  cutouts: 2,
} as const;
/** Of another size and shape than the images of the model. */
const picture = createImage(
  50,
  20,
  Uint8Array.from(new Generator(1).rand([50 * 20 * 3]), (value) => 255 * value),
);

let pipeline: Pipeline;
useTinyPipeline((opened) => {
  pipeline = opened;
});

async function run(name: MethodName, more: Partial<MethodRequest> = {}): Promise<Iteration[]> {
  const all: Iteration[] = [];
  for await (const one of methods[name].run(pipeline, requestTo(name, { ...request, ...more })))
    all.push(one);
  return all;
}

const STEERED = METHODS.filter(({ settings }) => Object.hasOwn(settings, 'clipPrompt')).map(
  ({ name }) => name,
);

const TRIES_BEFORE_IT_LEARNS = ['best-of', 'zero-order', 'trust-region-search', 'free-init'];

it('all methods that CLIP steers or selects by have a target', () => {
  expect(STEERED).toEqual(
    METHOD_NAMES.filter((name) => !['sd', 'attend-and-excite', 'detail'].includes(name)),
  );
});

describe.each(STEERED)('the target of %s', (name) => {
  it('changes where it goes and how it is scored, and not the plain image', async () => {
    const plain = await run(name);
    for (const more of [
      { targetImages: [{ image: picture }] },
      { targetImages: [{ image: picture, weight: 2 }, { image: picture }], textWeight: 0 },
      { clipPrompt: 'the boat' },
    ]) {
      const other = await run(name, more);
      expect(other[0].image).toEqual(plain[0].image);
      expect(other[0].clip.A).not.toBe(plain[0].clip.A);
      expect(other[0].clip.B).not.toBe(plain[0].clip.B);
      // Of a search the first noises that it tries do not depend on scores, of FreeInit none does.
      if (!TRIES_BEFORE_IT_LEARNS.includes(name))
        expect(other[1].image.data).not.toEqual(plain[1].image.data);
    }
  });

  it('is the prompt where the text for CLIP is the same', async () => {
    const [plain, same] = [await run(name), await run(name, { clipPrompt: request.prompt })];
    expect(same.map(({ image, clip }) => ({ image, clip }))).toEqual(
      plain.map(({ image, clip }) => ({ image, clip })),
    );
  });
});

it('best-of selects the image that looks like the target image', async () => {
  const images = await run('best-of', { iterations: 3 });
  for (const { image, iteration } of images) {
    const found = await run('best-of', { iterations: 3, targetImages: [{ image }], textWeight: 0 });
    expect(found.findLast(({ best }) => best)?.iteration).toBe(iteration);
    expect(found[iteration].clip.A).toBeCloseTo(100, 3);
  }
});

it('regions answer to their text and the whole target image', async () => {
  const more = { targetImages: [{ image: picture }], textWeight: 0, cutouts: 0, saliency: 'centre' } as const;
  const [first] = await run('sgool', { ...more, iterations: 0, edictOutput: 'x', regionPadding: 0 });
  const critic = await pipeline.critic();
  const [region] = first.regions ?? [];
  const crop = boxCrop(region, { width: 32, height: 32, side: critic.side });
  const seen = await critic.embedImage(first.image, crop);
  const angle = Math.acos(dot(seen, await critic.embedImage(picture)));
  // The loss is of the image before it is rounded to whole levels.
  expect(first.loss?.regions).toBeCloseTo(angle ** 2 / 2, 1);
});

describe('a later latent', () => {
  const at = (optimiseFrom: number, more: Partial<MethodRequest> = {}) =>
    run('doodl', { sampler: 'ddim', guidanceScale: 1, cutouts: 0, ...more, optimiseFrom });

  it.each(['ddim', 'edict', 'pndm', 'dpm-solver', 'euler', 'euler-ancestral'] as const)(
    'begins with the plain image, and moves on with the steps that are left: %s',
    async (sampler) => {
      const [plain] = await run('doodl', { sampler });
      for (const optimiseFrom of [0.5, 2]) {
        const rounds = await run('doodl', { sampler, optimiseFrom });
        expect(rounds[0].image).toEqual(plain.image);
        expect(rounds[0].latent).not.toEqual(plain.latent);
        expect(rounds[1].image.data).not.toEqual(plain.image.data);
      }
    },
  );

  it('runs the first steps once', async () => {
    const last = async (optimiseFrom: number) =>
      (await at(optimiseFrom, { iterations: 2 })).at(-1)?.evaluations;
    expect(await last(0)).toEqual({ forward: 12, pullback: 8 });
    expect(await last(3)).toEqual({ forward: 3 + 3, pullback: 2 });
    expect(await last(0.75)).toEqual(await last(3));
    await expect(last(0.2)).rejects.toThrow(/optimiseFrom 0.2 has no effect with steps 4/);
  });

  it('keeps the norm that it has there, which is not that of the noise', async () => {
    const rounds = await at(3, { iterations: 2, learningRate: 0.5, optimiser: 'adam' });
    const [plain] = await at(0, { iterations: 0 });
    const lengths = rounds.map(({ latent }) => norm(latent));
    expect(Math.abs(lengths[0] / norm(plain.latent) - 1)).toBeGreaterThan(0.02);
    for (const length of lengths) expect(length).toBeCloseTo(lengths[0], 8);
    const free = await at(3, { iterations: 1, learningRate: 0.5, optimiser: 'adam', renormalise: false });
    expect(Math.abs(norm(free[1].latent) / lengths[0] - 1)).toBeGreaterThan(1e-3);
  });

  it.each(['ddim', 'edict', 'dpm-solver', 'pndm'] as const)(
    'moves against the gradient of the loss, whatever the sampler remembers: %s',
    async (sampler) => {
      const gradScale = 2;
      const plainly = { clipGradient: 1e6, momentum: 0, perturbation: 0, renormalise: false } as const;
      const [before, after] = await at(2, { sampler, gradScale, ...plainly });
      const fall = (before.loss?.total ?? 0) - (after.loss?.total ?? 0);
      const step = norm(after.latent.map((value, i) => value - before.latent[i]));
      // The step is -½ · gradScale · g, g per latent of EDICT's pair, along which the mean loss falls by |g| per length.
      expect(fall / ((2 * step ** 2) / gradScale)).toBeCloseTo(1, 1);
    },
  );

  it('moves the same by both ways back', async () => {
    const by = (trajectory: 'checkpointed' | 'invertible') =>
      at(2, { sampler: 'edict', trajectory, optimiser: 'normalised', perturbation: 0 });
    const [kept, inverted] = [await by('checkpointed'), await by('invertible')];
    const moved = Math.hypot(...kept[1].latent.map((value, i) => value - kept[0].latent[i]));
    const apart = Math.hypot(...kept[1].latent.map((value, i) => value - inverted[1].latent[i]));
    expect(moved).toBeGreaterThan(0.01);
    expect(apart / moved).toBeLessThan(1e-5);
  });

  it.each([4, 1.5, 60])('leaves a step: not at %d', async (optimiseFrom) => {
    await expect(at(optimiseFrom)).rejects.toThrow(
      /optimiseFrom must be a share below 1 or a whole number of steps below 4, got/,
    );
  });
});

describe('a request with a target that cannot be', () => {
  const target = { image: picture };
  it.each<[string, object, RegExp]>([
    ['no images', { targetImages: [] }, /targetImages is not usable, got \[\]/],
    [
      'a negative weight',
      { targetImages: [{ ...target, weight: -1 }] },
      /targetImages.0.weight.*-1; must be above 0/,
    ],
    [
      'no weight at all',
      { targetImages: [{ ...target, weight: 0 }] },
      /targetImages.0.weight.*got 0; must be above 0/,
    ],
    [
      'an unknown key',
      { targetImages: [{ ...target, mass: 1 }] },
      /^request: targetImages.0 has no key mass; leave it out$/,
    ],
    [
      'a weight of the text alone',
      { textWeight: 0 },
      /textWeight 0 weighs .* there are none; give targetImages/,
    ],
    [
      'a negative weight of the text',
      { targetImages: [target], textWeight: -1 },
      /textWeight is not usable, got -1/,
    ],
    [
      'a method without',
      { method: 'sd', targetImages: [target] },
      /method sd has no such option; clip-guided, doodl/,
    ],
    [
      'a method without a text for CLIP',
      { method: 'sd', clipPrompt: 'x' },
      /method sd has no such option; clip-guided/,
    ],
    [
      'a method that moves nothing',
      { method: 'best-of', optimiseFrom: 0.5 },
      /best-of has no such option; doodl and sgool/,
    ],
  ])('%s', (_, wrong, message) => {
    expect(() => parseRequest({ prompt: 'a cat', ...wrong })).toThrow(message);
  });
});
