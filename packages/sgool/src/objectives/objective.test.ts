import { sum as addUp, clip as clamp, compile, gradient, reshape, trace } from '@sgool/autodiff';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { boxCrop, type Crop, randomCutouts, throughMask, wholeCrop } from '../image/crops.ts';
import { dot, sum } from '../numbers.ts';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { writeTinyModel } from '../pipeline/testing.ts';
import { clipGuide } from '../preference/clip-guide.ts';
import { sphericalDistance } from '../preference/spherical-distance.ts';
import { Generator } from '../random/generator.ts';
import { ProgramCache } from '../runtime/program-cache.ts';
import { openSafetensors, readTypedTensor } from '../weights/formats/safetensors.ts';
import { createObjective } from './objective.ts';

const size = { width: 32, height: 32 };
const sizes = { ...size, side: 16 };
const normal = (seed: number, count = 256) => Float64Array.from(new Generator(seed).randn([count]));

describe('sphericalDistance', () => {
  it('has the value and the gradient of the published loss', async () => {
    const file = await openSafetensors(
      new URL('../../../../fixtures/data/guidance.safetensors', import.meta.url).pathname,
    );
    const read = async (name: string) =>
      Float32Array.from((await readTypedTensor(file, name)).data as Float64Array);
    const shape = [6, 32];
    const forward = trace({ u: { shape }, v: { shape } }, ({ u, v }) => {
      const distance = sphericalDistance(u, v);
      return { distance, total: addUp(distance) };
    });
    const program = await compile(gradient(forward, { of: 'total', wrt: ['u'], keep: ['distance'] }));
    const result = await program.run({ u: await read('sphere.u'), v: await read('sphere.v') });
    const [distance, slope] = [await read('sphere.distance'), await read('sphere.grad')];
    distance.forEach((value, i) => {
      expect(result.distance[i]).toBeCloseTo(value, 5);
    });
    slope.forEach((value, i) => {
      expect(result['grad:u'][i]).toBeCloseTo(value, 5);
    });
    const same = await program.run({ u: await read('sphere.u'), v: await read('sphere.u') });
    expect(Array.from(same['grad:u'] as Float32Array).every(Number.isFinite)).toBe(true);
    for (const value of same.distance as Float32Array) expect(value).toBeCloseTo(0, 9);
    const u = await read('sphere.u');
    const opposite = await program.run({ u, v: u.map((value) => -value) });
    expect(Array.from(opposite['grad:u'] as Float32Array).every(Number.isFinite)).toBe(true);
    // Half the square of a straight angle.
    for (const value of opposite.distance as Float32Array) expect(value).toBeCloseTo(Math.PI ** 2 / 2, 2);
    await program.dispose();
  });
});

describe('objective', () => {
  let pipeline: Pipeline;
  let remove: () => Promise<void>;
  let text: Float32Array;
  const latent = normal(4).map((value) => value * 0.3);
  beforeAll(async () => {
    const model = await writeTinyModel();
    remove = model.remove;
    pipeline = await loadPipeline(model.dir);
    text = await (await pipeline.critic()).embedText('a red cat');
  });
  afterAll(async () => {
    await pipeline.dispose();
    await remove();
  });

  const boxes = [
    { left: 0, top: 0, width: 32, height: 32 },
    { left: 3, top: 10, width: 20, height: 20 },
    { left: 16, top: 0, width: 9, height: 9 },
  ];

  it('embeds each view as CLIP embeds the crop of the image', async () => {
    const objective = await pipeline.objective({
      ...size,
      parts: [{ guide: clipGuide(await pipeline.critic()), views: 1 }],
      saturatedGradient: 'clamp',
    });
    const views = boxes.map((box) => ({ crop: boxCrop(box, sizes), aim: { text } }));
    const {
      losses: [distances],
      total,
    } = await objective.evaluate(latent, [{ views }]);
    const image = await pipeline.decode(latent, size);
    const critic = await pipeline.critic();
    for (const [k, { crop }] of views.entries()) {
      const angle = Math.acos(dot(await critic.embedImage(image, crop), text));
      expect(distances[k]).toBeCloseTo(angle ** 2 / 2, 1);
    }
    expect(total).toBe(0);
  });

  const wide = { width: 32, height: 16 };
  const wideLatent = normal(9, 128).map((value) => value * 0.3);
  const seeing = (crop: Crop) => {
    const { length } = crop.mask ?? [];
    return { crop, aim: { text }, weight: 1, masked: length };
  };

  it('embeds views through masks, and images that are not square as a whole, as CLIP does', async () => {
    const objective = await pipeline.objective({
      ...wide,
      parts: [{ guide: clipGuide(await pipeline.critic()), views: 3 }],
      saturatedGradient: 'clamp',
    });
    const whole = wholeCrop({ ...wide, side: 16 });
    const half = throughMask(
      whole,
      Float32Array.from({ length: 512 }, (_, i) => ((i % 32) / 31) ** 2),
      wide,
    );
    const crops = [whole, half, boxCrop(boxes[2], { ...wide, side: 16 })];
    const {
      losses: [distances],
    } = await objective.evaluate(wideLatent, [{ views: crops.map(seeing) }]);
    const image = await pipeline.decode(wideLatent, wide);
    const critic = await pipeline.critic();
    for (const [k, crop] of crops.entries()) {
      const angle = Math.acos(dot(await critic.embedImage(image, crop), text));
      // The image is in whole levels.
      expect(distances[k]).toBeCloseTo(angle ** 2 / 2, 1.5);
    }
    expect(await critic.embedImage(image)).toEqual(await critic.embedImage(image, whole));
    expect(Math.abs(distances[0] - distances[1])).toBeGreaterThan(1e-3);
  });

  it('has programs of their own for views with masks, in either order', async () => {
    const guide = clipGuide(await pipeline.critic());
    const crop = boxCrop(boxes[0], sizes);
    const half = throughMask(
      crop,
      Float32Array.from({ length: 1024 }, (_, i) => (i % 32) / 31),
      size,
    );
    const lossOf = async (crops: readonly Crop[]) => {
      const parts = [{ guide, views: 1 }];
      const objective = await pipeline.objective({ ...size, parts, saturatedGradient: 'clamp' });
      const found: number[] = [];
      for (const one of crops)
        found.push((await objective.evaluate(latent, [{ views: [seeing(one)] }])).total);
      return found;
    };
    const [plain, through] = await lossOf([crop, half]);
    expect(Math.abs(plain - through)).toBeGreaterThan(1e-4);
    expect(await lossOf([half, crop])).toEqual([through, plain]);
  });

  it('keeps the weights of large scorers in their files', async () => {
    const guide = clipGuide(await pipeline.critic());
    const layoutOf = async (bytes: number) => {
      const layouts: unknown[] = [];
      const programs = {
        get: async (...[, , , layout]: Parameters<ProgramCache['get']>) => {
          layouts.push(layout);
          throw new Error('enough');
        },
      } as unknown as ProgramCache;
      const parts = [{ guide: { ...guide, bytes }, views: 1 }];
      const objective = createObjective({
        programs,
        backbone: pipeline as never,
        parts,
        size,
        saturatedGradient: 'clamp',
      });
      await expect(
        objective.evaluate(latent, [{ views: [seeing(boxCrop(boxes[0], sizes))] }]),
      ).rejects.toThrow('enough');
      return layouts[0];
    };
    expect(await layoutOf(1e6)).toBeUndefined();
    expect(await layoutOf(1e9)).toBe('lean');
  });

  it('has the gradient of its total through masks, which reaches both ends of a wide image', async () => {
    const objective = await pipeline.objective({
      ...wide,
      parts: [{ guide: clipGuide(await pipeline.critic()), views: 1 }],
      saturatedGradient: 'clamp',
    });
    const views = [seeing(wholeCrop({ ...wide, side: 16 }))];
    const { gradient: slope } = await objective.evaluate(wideLatent, [{ views }]);
    const length = Math.hypot(...slope);
    const at = async (step: number) => {
      const moved = wideLatent.map((value, i) => value + (step * slope[i]) / length);
      return (await objective.evaluate(moved, [{ views }])).total;
    };
    expect(((await at(0.005)) - (await at(-0.005))) / 0.01 / length).toBeCloseTo(1, 2);
    const column = (x: number) => Math.hypot(...slope.filter((_, i) => i % 8 === x));
    expect(Math.min(column(0), column(7))).toBeGreaterThan(0.02 * length);
  });

  it('adds up weighted views and the best of the candidates', async () => {
    const objective = await pipeline.objective({
      ...size,
      parts: [{ guide: clipGuide(await pipeline.critic()), views: 5 }],
      saturatedGradient: 'clamp',
    });
    const crops = boxes.map((box) => boxCrop(box, sizes));
    const {
      losses: [distances],
      total,
    } = await objective.evaluate(latent, [
      {
        views: [
          { crop: crops[0], aim: { text }, weight: 0.5 },
          { crop: crops[1], aim: { text }, candidate: true },
          { crop: crops[2], aim: { text }, candidate: true, weight: 2 },
        ],
        bestWeight: 3,
      },
    ]);
    expect(distances).toHaveLength(3);
    expect(total).toBeCloseTo(
      0.5 * distances[0] + 2 * distances[2] + 3 * Math.min(distances[1], distances[2]),
      4,
    );
  });

  it('takes the best of the candidates only, even where another view is better', async () => {
    const objective = await pipeline.objective({
      ...size,
      parts: [{ guide: clipGuide(await pipeline.critic()), views: 3 }],
      saturatedGradient: 'clamp',
    });
    const crops = boxes.map((box) => boxCrop(box, sizes));
    const critic = await pipeline.critic();
    const own = await critic.embedImage(await pipeline.decode(latent, size), crops[0]);
    const away = own.map((value) => -value);
    const views = [
      { crop: crops[0], aim: { text: own } },
      { crop: crops[1], aim: { text: away }, candidate: true },
      { crop: crops[2], aim: { text: away }, candidate: true },
    ];
    const {
      losses: [distances],
      total,
    } = await objective.evaluate(latent, [{ views, bestWeight: 1 }]);
    expect(distances[0]).toBeLessThan(0.5 * Math.min(distances[1], distances[2]));
    expect(total).toBeCloseTo(Math.min(distances[1], distances[2]), 5);
  });

  it('has the gradient of its total', async () => {
    const objective = await pipeline.objective({
      ...size,
      parts: [{ guide: clipGuide(await pipeline.critic()), views: 3 }],
      saturatedGradient: 'clamp',
    });
    const views = boxes.map((box) => ({ crop: boxCrop(box, sizes), aim: { text }, weight: 1 }));
    const { gradient: slope } = await objective.evaluate(latent, [{ views }]);
    const length = Math.hypot(...slope);
    const step = 0.005;
    const at = async (sign: number) => {
      const moved = latent.map((value, i) => value + (sign * step * slope[i]) / length);
      return (await objective.evaluate(moved, [{ views }])).total;
    };
    const difference = ((await at(1)) - (await at(-1))) / (2 * step);
    expect(difference / length).toBeCloseTo(1, 2);
  });

  it('takes latents of any rank from a backbone', async () => {
    const [programs, small] = [new ProgramCache({ device: 'cpu' }), { width: 8, height: 4 }];
    const objective = createObjective({
      programs,
      // Tokens of two pixels each, as a transformer might have them: 16 of width 6.
      backbone: {
        latentShape: () => [16, 6],
        decodedPlanes: (tokens) => clamp(reshape(tokens, [1, 3, 4, 8]), -1, 2),
      },
      size: small,
      saturatedGradient: 'clamp',
      parts: [{ guide: clipGuide(await pipeline.critic()), views: 1 }],
    });
    const tokens = normal(6, 96).map((value) => 0.5 + 0.1 * value);
    const views = [{ crop: wholeCrop({ ...small, side: 16 }), aim: { text }, weight: 1 }];
    const { gradient: slope } = await objective.evaluate(tokens, [{ views }]);
    const at = async (step: number) => {
      const moved = tokens.map((value, i) => value + (step * slope[i]) / Math.hypot(...slope));
      return (await objective.evaluate(moved, [{ views }])).total;
    };
    const difference = ((await at(0.01)) - (await at(-0.01))) / 0.02;
    expect(difference / Math.hypot(...slope)).toBeCloseTo(1, 2);
    await programs.dispose();
  });

  it('has no gradient at saturated pixels, or lets it through', async () => {
    const bright = new Float64Array(256).map((_, i) => 40 * latent[i]);
    const views = [{ crop: wholeCrop(sizes), aim: { text }, weight: 1 }];
    const length = async (saturatedGradient: 'clamp' | 'through') => {
      const objective = await pipeline.objective({
        ...size,
        parts: [{ guide: clipGuide(await pipeline.critic()), views: 1 }],
        saturatedGradient,
      });
      return Math.hypot(...(await objective.evaluate(bright, [{ views }])).gradient);
    };
    expect(await length('clamp')).toBeLessThan(await length('through'));
  });
});

it('draws cutouts inside the image, the same for the same seed', () => {
  const draw = () => randomCutouts(20, 0.3, 1, { width: 40, height: 32, side: 16 }, new Generator(7));
  for (const { rows, columns } of draw()) {
    expect(sum(rows)).toBeCloseTo(16, 4);
    expect(sum(columns)).toBeCloseTo(16, 4);
  }
  expect(draw()).toEqual(draw());
});

it('draws smaller cutouts on request, and none below the smallest size', () => {
  const sizes = { width: 16, height: 16, side: 16 };
  const covered = (share: number) =>
    randomCutouts(30, 1, share, sizes, new Generator(7)).map(
      ({ columns }) => new Set([...columns].flatMap((value, i) => (value > 0 ? [i % sizes.width] : []))).size,
    );
  expect(new Set(covered(1))).toEqual(new Set([16]));
  expect(Math.min(...covered(0.5))).toBeGreaterThanOrEqual(8);
  expect(Math.min(...covered(0.5))).toBeLessThan(16);
});
