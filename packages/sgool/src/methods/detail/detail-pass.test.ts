import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Denoiser } from '../../diffusion/denoiser.ts';
import { createImage, type Image } from '../../image/image.ts';
import { loadPipeline } from '../../pipeline/load-pipeline.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { writeTinyModel } from '../../pipeline/testing.ts';
import { Generator } from '../../random/generator.ts';
import type { MethodRequest } from '../../request/request.ts';
import { defined } from '../../testing.ts';
import { estimateRun } from '../estimate.ts';
import { generate } from '../generate.ts';
import { detailedMethods, METHOD_NAMES, methodFor, methods, parseRequest } from '../index.ts';
import type { Iteration, MethodState } from '../run/iteration.ts';
import type { Method } from '../run/method.ts';
import { requestTo } from '../testing.ts';
import { detailImage, detailMethod } from './detail-image.ts';

const picture = (width: number, height: number) =>
  createImage(
    width,
    height,
    Uint8Array.from(new Generator(7).rand([width * height * 3]), (value) => 255 * value),
  );

/** Two boxes that touch neither each other nor the edge. */
const BOXES = '4,4,8,8,18,14,8,10';
const request = {
  prompt: 'a red cat and a blue boat',
  seed: 5,
  steps: 4,
  guidanceScale: 1,
  boxes: BOXES,
  detailStrength: 0.5,
} as const;

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

interface Seen {
  readonly prompts: string[];
  readonly negatives: (string | undefined)[];
  readonly sizes: string[];
  readonly guidance: number[];
  readonly clipSkips: (number | undefined)[];
}

/** Runs a method and notes under what each image is made. */
async function run(method: Pick<Method, 'run'>, input: MethodRequest, state?: MethodState) {
  const seen: Seen = { prompts: [], negatives: [], sizes: [], guidance: [], clipSkips: [] };
  const watched: Pipeline = {
    ...pipeline,
    denoiser(options): Promise<Denoiser> {
      seen.prompts.push(options.prompt);
      seen.negatives.push(options.negativePrompt);
      seen.sizes.push(`${options.width}x${options.height}`);
      seen.guidance.push(options.guidanceScale);
      seen.clipSkips.push(options.clipSkip);
      return pipeline.denoiser(options);
    },
  };
  const rounds: Iteration[] = [];
  const states: MethodState[] = [];
  const onState = (one: MethodState) => void states.push(structuredClone(one));
  const notes: string[] = [];
  const onNote = (text: string) => void notes.push(text);
  for await (const round of method.run(watched, input, { onState, onNote, ...(state && { state }) }))
    rounds.push(round);
  return { rounds, states, notes, seen };
}

const { detail } = methods;
const changed = (a: Image, b: Image) =>
  Array.from({ length: a.width * a.height }, (_, i) => i).filter((i) =>
    [0, 1, 2].some((c) => a.data[3 * i + c] !== b.data[3 * i + c]),
  );
const inside =
  (image: Image, [left, top, width, height]: readonly number[]) =>
  (i: number) => {
    const [x, y] = [i % image.width, Math.floor(i / image.width)];
    return x >= left && x < left + width && y >= top && y < top + height;
  };

describe('the detail pass', () => {
  it('repaints one region after the other, and keeps the bytes of all else', async () => {
    const { rounds } = await run(detail, { ...request, regionDilation: 0 });
    expect(rounds.map(({ iteration, best }) => [iteration, best])).toEqual([
      [0, true],
      [1, true],
      [2, true],
    ]);
    expect(rounds.map(({ iterations }) => iterations)).toEqual([0, 2, 2]);
    const [plain, first, second] = rounds.map(({ image }) => image);
    const [one, two] = [changed(plain, first), changed(first, second)];
    expect(one.every(inside(plain, [4, 4, 8, 8]))).toBe(true);
    expect(two.every(inside(plain, [18, 14, 8, 10]))).toBe(true);
    // Most of a region changes.
    expect(one.length).toBeGreaterThan(48);
    expect(two.length).toBeGreaterThan(60);
    expect(rounds[1].regions).toEqual([
      { left: 4, top: 4, width: 8, height: 8, mass: 1 },
      { left: 18, top: 14, width: 8, height: 10, mass: 1 },
    ]);
    expect(rounds[2].latent).toEqual(rounds[0].latent);
  });

  it('begins with the plain image', async () => {
    const { boxes: _, detailStrength: __, ...plain } = request;
    const [{ image }] = (await run(methods.sd, plain)).rounds;
    expect((await run(detail, request)).rounds[0].image).toEqual(image);
  });

  it('takes a region through the share of the steps, at least one', async () => {
    const forward = async (more: object) =>
      (await run(detail, { ...request, ...more })).rounds.map(({ evaluations }) => evaluations.forward);
    expect(await forward({})).toEqual([4, 6, 8]);
    expect(await forward({ detailStrength: 1 })).toEqual([4, 8, 12]);
    expect(await forward({ detailStrength: 0.01 })).toEqual([4, 5, 6]);
    expect(await forward({ detailSteps: 6 })).toEqual([4, 7, 10]);
    expect(await forward({ detailSteps: 49, detailStrength: 0.01 })).toEqual([4, 5, 6]);
  });

  it('takes steps, guidance, sampler, size and layer of the run, or its own', async () => {
    const own = {
      detailGuidance: 3,
      detailSampler: 'euler',
      detailWidth: 48,
      detailHeight: 40,
    } as const;
    const { seen, rounds } = await run(detail, { ...request, boxes: '4,4,8,8', ...own });
    expect(seen.sizes).toEqual(['32x32', '48x40']);
    expect(seen.guidance).toEqual([1, 3]);
    // The text encoder has one layer.
    await expect(run(detail, { ...request, detailClipSkip: 2 })).rejects.toThrow(
      /iteration 1: .*clipSkip must be at most 1/,
    );
    // Two steps, each for two texts.
    expect(rounds[1].evaluations.forward).toBe(4 + 4);
    const same = await run(detail, { ...request, boxes: '4,4,8,8' });
    expect(same.seen).toMatchObject({ sizes: ['32x32', '32x32'], guidance: [1, 1], clipSkips: [1, 1] });
    const sampled = async (more: object) => (await run(detail, { ...request, ...more })).rounds[1].image.data;
    const plain = await sampled({});
    expect(await sampled({ detailSampler: 'euler-ancestral' })).not.toEqual(plain);
    expect(await sampled({ detailSampler: 'ddim' })).toEqual(plain);
  });

  it('gives region k the k-th seed behind that of the run, whatever is skipped before it', async () => {
    const image = picture(32, 32);
    const at = async (more: object) => {
      const { rounds } = await run(detailMethod(image), { ...request, ...more });
      return defined(rounds.at(-1)).image;
    };
    const second = await at({ regionPrompt: '[SKIP] [SEP] [PROMPT]' });
    expect(second).toEqual(await at({ boxes: '18,14,8,10', seed: 6 }));
    expect(second).not.toEqual(await at({ boxes: '18,14,8,10', seed: 5 }));
  });

  it('repaints each region under its text', async () => {
    const texts = { regionPrompt: 'a cat [SEP] [PROMPT], blue', regionNegativePrompt: 'a boat [SEP]' };
    const { seen } = await run(detail, {
      ...request,
      guidanceScale: 2,
      negativePrompt: 'red',
      ...texts,
    });
    expect(seen.prompts.slice(1)).toEqual(['a cat', 'a red cat and a blue boat, blue']);
    expect(seen.negatives).toEqual(['red', 'a boat', 'red']);
    const { seen: parts } = await run(detail, { ...request, regionText: 'parts' });
    expect(parts.prompts.slice(1).toSorted()).toEqual(['a blue boat', 'a red cat']);
    const { seen: merged, rounds } = await run(detail, { ...request, regionMerge: 'merge' });
    expect(merged.prompts.slice(1)).toEqual([request.prompt]);
    expect(rounds).toHaveLength(2);
    const skipped = await run(detail, { ...request, regionPrompt: '[SKIP]' });
    expect(skipped.rounds).toHaveLength(1);
    expect(skipped.notes).toEqual(['every region is skipped, so none is repainted']);
  });

  it('repaints in the order of the settings', async () => {
    const first = async (more: object) =>
      defined((await run(detail, { ...request, ...more })).rounds[1].regions)[0].left;
    expect(await first({})).toBe(4);
    expect(await first({ regionOrder: 'largest-first' })).toBe(18);
    expect(await first({ regionOrder: 'centre-to-edge' })).toBe(18);
    expect(await first({ boxes: '18,14,8,10,4,4,8,8' })).toBe(18);
    expect(await first({ boxes: '18,14,8,10,4,4,8,8', regionOrder: 'left-to-right' })).toBe(4);
  });

  it('enlarges the region and its padding, or repaints the whole image', async () => {
    const encoded: Image[] = [];
    const watched: Pipeline = {
      ...pipeline,
      encode(image, noise) {
        encoded.push(image);
        return pipeline.encode(image, noise);
      },
    };
    const image = picture(40, 32);
    for (const onlyMasked of [true, false]) {
      const padding = onlyMasked ? { detailPadding: 4 } : {};
      const input = { ...request, boxes: '8,8,8,8', regionDilation: 0, onlyMasked, ...padding };
      for await (const _ of detailMethod(image).run(watched, input));
    }
    const [part, whole] = encoded;
    // 16 pixels of the image are 32: a pixel is four.
    const mean = (x: number, y: number) =>
      [0, 1]
        .flatMap((dy) => [0, 1].map((dx) => part.data[3 * ((2 * y + dy) * 32 + 2 * x + dx)]))
        .reduce((a, b) => a + b) / 4;
    for (const [x, y] of [
      [3, 3],
      [8, 8],
      [12, 5],
    ]) {
      expect(Math.abs(mean(x, y) - image.data[3 * ((4 + y) * 40 + 4 + x)])).toBeLessThan(40);
    }
    expect(whole).toMatchObject({ width: 32, height: 32 });
    expect(whole).not.toEqual(part);
  });

  it('finds salient regions where no boxes are given, and keeps those that the settings allow', async () => {
    const found = { ...request, boxes: '', saliency: 'centre', minRegionSide: 0 } as const;
    const { rounds } = await run(detail, found);
    expect(rounds).toHaveLength(2);
    expect(defined(rounds[1].saliency).data).toHaveLength(32 * 32);
    const [region] = defined(rounds[1].regions);
    expect(region.mass).toBeGreaterThan(0.5);
    const none = await run(detail, { ...found, minRegionMass: 1 });
    expect(none.rounds).toHaveLength(1);
    expect(none.notes).toEqual([
      'no region was found, so none is repainted; give boxes, or another saliency model',
    ]);
    expect((await run(detail, { ...found, maxRegionArea: 0.01 })).rounds).toHaveLength(1);
    const mask = createImage(32, 32);
    for (let y = 4; y < 12; y++) mask.data.fill(255, 3 * (32 * y + 2), 3 * (32 * y + 10));
    const masked = await run(detail, { ...found, saliency: 'mask', mask, regionPadding: 0 });
    expect(masked.rounds[1].regions).toMatchObject([{ left: 2, top: 4, width: 8, height: 8, mass: 1 }]);
  });

  it('feathers inside the region', async () => {
    const edge = async (detailFeather: number) => {
      const { rounds } = await run(detail, {
        ...request,
        boxes: '8,8,16,16',
        regionDilation: 0,
        detailStrength: 1,
        detailFeather,
      });
      const [before, after] = rounds.map(({ image }) => image);
      // Along the left side of the box, without its corners.
      return [...Array(10).keys()].reduce((sum, y) => {
        const at = 3 * ((11 + y) * 32 + 8);
        return sum + Math.abs(after.data[at] - before.data[at]);
      }, 0);
    };
    const [sharp, soft] = [await edge(0), await edge(7)];
    expect(soft).toBeLessThan(sharp / 4);
    expect(soft).toBeGreaterThan(0);
  });
});

describe('a request', () => {
  it.each([
    [{ boxes: '20,4,13,8' }, /^detail: box 20,4,13,8 is not inside the image, which is 32 x 32; /],
    [
      { boxes: '4,4,1,1', regionDilation: 0, detailPadding: 16 },
      /the region 4,4,1,1 is \d\.\d pixels wide or high .*; give a larger region/,
    ],
    [{ boxes: '4,4,0,8' }, /^request: boxes is not usable, got "4,4,0,8"; must be x,y,width,height/],
    [{ detailWidth: 33 }, /^request: detailWidth must be a multiple of 4 for .*, got 33; use 32 or 36/],
    [
      { boxes: '', minRegionArea: 0.5, maxRegionArea: 0.2 },
      /minRegionArea must not be above maxRegionArea, got 0.5 and 0.2/,
    ],
    [
      { regionPrompt: 'a cat <lora:x:1>' },
      /regionPrompt has the tag <lora:x:1>, but a LoRA changes the model/,
    ],
  ])('with %j is refused before anything is made', async (more, message) => {
    const wrong = { ...request, ...more } as MethodRequest;
    await expect(detail.run(pipeline, wrong).next()).rejects.toThrow(message);
  });

  it.each([
    [{ saliency: 'centre' }, 'request: saliency centre has no effect with boxes 4,4,8,8; it needs no boxes'],
    [
      { minRegionMass: 0.2 },
      'request: minRegionMass 0.2 has no effect with boxes 4,4,8,8; it needs no boxes',
    ],
    [{ regionText: 'parts', regionMerge: 'merge' }, 'regionText parts has no effect with regionMerge merge'],
    [{ detailPadding: 3, onlyMasked: false }, 'detailPadding 3 has no effect with onlyMasked false'],
    [{ eta: 0.5, sampler: 'euler' }, 'eta 0.5 has no effect with sampler euler'],
  ] as const)('with %j is refused, because something has no effect', async (more, message) => {
    const wrong = { ...request, boxes: '4,4,8,8', ...more };
    await expect(detail.run(pipeline, wrong).next()).rejects.toThrow(message);
  });

  it('leaves out options that the sampler of the regions does not read', async () => {
    const { rounds } = await run(detail, { ...request, eta: 0.5, detailSampler: 'euler' });
    const { rounds: same } = await run(detail, { ...request, eta: 0.5, detailSampler: 'ddim' });
    const { rounds: again } = await run(detail, { ...request, eta: 0.5 });
    expect(rounds[1].image.data).not.toEqual(same[1].image.data);
    expect(again[1].image.data).toEqual(same[1].image.data);
  });

  it('may have settings that only the regions read', async () => {
    const { rounds } = await run(detail, {
      ...request,
      ...{ detailGuidance: 3, guidanceStop: 0.9, regionNegativePrompt: 'a boat' },
    });
    expect(rounds).toHaveLength(3);
  });

  it('may have the pass behind any method, once', async () => {
    expect(Object.keys(detailedMethods)).toEqual(
      METHOD_NAMES.filter((name) => name !== 'detail' && name !== 'plan'),
    );
    expect(methodFor({ method: 'doodl', detail: true }).settings).toHaveProperty('detailStrength');
    expect(methodFor({ method: 'doodl' }).settings).not.toHaveProperty('detailStrength');
    expect(parseRequest({ prompt: 'a', method: 'sd', detail: true, boxes: '0,0,8,8' })).not.toHaveProperty(
      'detail',
    );
    expect(parseRequest({ prompt: 'a', method: 'sd', detail: false })).toMatchObject({ method: 'sd' });
    expect(() => parseRequest({ prompt: 'a', method: 'sd', detail: false, boxes: '0,0,8,8' })).toThrow(
      'boxes: method sd has no such option; detail has it',
    );
    expect(() => parseRequest({ prompt: 'a', method: 'detail', detail: true })).toThrow(
      'request: detail: method detail has the detail pass already; leave out detail',
    );
    expect(() => parseRequest({ prompt: 'a', detail: 'yes' })).toThrow(
      'detail must be true or false, got "yes"',
    );
    expect(() => parseRequest({ prompt: 'a', method: 'magic', detail: true })).toThrow(
      /got "magic"; choose one of sd/,
    );
    const { best, before } = await generate({ ...request, method: 'sd', detail: true }, { pipeline });
    expect(best.iteration).toBe(2);
    expect(before.iteration).toBe(0);
    const again = await generate({ ...request, method: 'detail' }, { pipeline });
    expect(again.best.image).toEqual(best.image);
  });
});

describe('behind a method', () => {
  const short = { ...request, iterations: 2, cutouts: 2, perturbation: 0.01, sampler: 'ddim' as const };

  it.each(['doodl', 'best-of', 'clip-guided', 'sd'] as const)(
    '%s goes on from any state with the same numbers, and repaints the best image',
    async (name) => {
      const method = defined(detailedMethods[name]);
      const input = { ...requestTo(name, short), boxes: BOXES, detailStrength: 0.5 };
      const whole = await run(method, input);
      const before = whole.rounds.slice(0, -2);
      const best = defined(before.findLast((round) => round.best));
      const last = defined(whole.rounds.at(-1));
      expect(changed(best.image, last.image).length).toBeLessThan(300);
      expect(last.latent).toEqual(best.latent);
      expect(whole.states.map(({ iteration }) => iteration)).toEqual(
        name === 'sd' ? [1, 2] : whole.rounds.slice(1).map(({ iteration }) => iteration),
      );
      for (const state of whole.states) {
        const { rounds } = await run(method, input, state);
        const comparable = ({ seconds: _, ...rest }: Iteration) => rest;
        expect(rounds.map(comparable), `from ${state.iteration}`).toEqual(
          whole.rounds.slice(state.iteration).map(comparable),
        );
      }
    },
  );

  it('has what guides and what selects of the method', () => {
    const { roles, defaults } = defined(detailedMethods.sgool);
    expect(roles(defaults(pipeline.model))).toEqual(
      methods.sgool.roles(methods.sgool.defaults(pipeline.model)),
    );
    const own = detail.defaults(pipeline.model);
    const guides = (more: object) => detail.roles({ ...own, ...more }).guides;
    expect(detail.roles(own)).toEqual({ guides: [], selects: [] });
    expect(guides({ saliency: 'judge' })).toEqual(['judge']);
    expect(guides({ saliency: 'judge', boxes: BOXES })).toEqual([]);
    expect(guides({ saliency: 'grad-cam', regionText: 'parts' })).toEqual(['clip_a']);
  });

  it('refuses the state of a run that has no pass', async () => {
    const { boxes: _, detailStrength: __, ...plain } = short;
    const { states } = await run(methods.doodl, plain);
    await expect(run(defined(detailedMethods.doodl), short, states[1])).rejects.toThrow(
      'doodl: cannot go on from the state of a run without the detail pass; begin anew',
    );
  });
});

describe('on an image', () => {
  it('keeps the size of the image, and the image itself as iteration 0', async () => {
    const image = picture(50, 37);
    const { before, best } = await detailImage({ ...request, image }, { pipeline });
    expect(before.image).toEqual(image);
    expect(before.evaluations).toEqual({ forward: 0, pullback: 0 });
    expect(best.image).toMatchObject({ width: 50, height: 37 });
    expect(changed(image, best.image).length).toBeGreaterThan(100);
  });

  it('has lengths in proportion to the image, by default', () => {
    const { model } = pipeline;
    expect(detail.defaults(model)).toMatchObject({ regionDilation: 0, detailFeather: 1, detailPadding: 2 });
    expect(detailMethod(picture(512, 1024)).defaults(model)).toMatchObject({
      ...{ regionDilation: 2, detailFeather: 14, detailPadding: 32 },
      ...{ width: 32, height: 32, detailStrength: 0.4, minRegionMass: 0, maxRegionArea: 1, onlyMasked: true },
    });
  });

  it('takes boxes up to the edge of the image, and refuses settings of other methods', async () => {
    const image = picture(50, 37);
    const run = (more: object) => detailImage({ ...request, image, ...more }, { pipeline });
    expect((await run({ boxes: '40,27,10,10' })).best.iteration).toBe(1);
    await expect(run({ boxes: '40,28,10,10' })).rejects.toThrow(/which is 50 x 37/);
    await expect(run({ lambda: 1 })).rejects.toThrow(
      'detail: lambda: detail has no such option; sgool has it',
    );
    await expect(run({ image: undefined })).rejects.toThrow(/^detail: image is not usable, got nothing/);
  });
});

describe('a dry run', () => {
  it('counts every region that there may be', async () => {
    const operations = async (more: object, method: Method = detail as Method, iterations = 0) => {
      const { boxes: _, ...given } = request;
      const estimate = await estimateRun({
        open: (programs) => loadPipeline(model.dir, { programs }),
        method,
        request: { ...given, saliency: 'spectral-residual', ...more },
        iterations,
        machine: { flops: 1e11 },
      });
      return estimate.operations;
    };
    const at = async (maxRegions: number) => operations({ maxRegions });
    const [one, two, three] = [await at(1), await at(2), await at(3)];
    expect(two - one).toBeGreaterThan(0.2 * one);
    expect(three - one).toBeCloseTo(2 * (two - one), -3);
    expect(await operations({ maxRegions: 3, regionMerge: 'invert' })).toBeCloseTo(one, -3);
    expect(await operations({ boxes: BOXES, saliency: undefined })).toBeCloseTo(two, -3);
    const sgool = defined(detailedMethods.sgool);
    const after = (iterations: number) =>
      operations({ iterations, cutouts: 2, maxRegions: 2 }, sgool, iterations);
    const [after2, after4, after9] = [await after(2), await after(4), await after(9)];
    expect(after9 - after2).toBeCloseTo(3.5 * (after4 - after2), -3);
  });
});
