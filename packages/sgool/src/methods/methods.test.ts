import { describe, expect, it } from 'vitest';
import { rectifiedFlow } from '../diffusion/testing.ts';
import { UserError } from '../errors.ts';
import { wholeCrop } from '../image/crops.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { useTinyPipeline } from '../pipeline/testing/tiny-pipeline.ts';
import { clipGuide } from '../preference/clip-guide.ts';
import { Generator } from '../random/generator.ts';
import { PhiloxGenerator } from '../random/philox.ts';
import { defined } from '../testing.ts';
import { sightGradient } from './clip-guided.ts';
import { METHOD_NAMES, type MethodName, methods } from './index.ts';
import type { Iteration } from './run/iteration.ts';
import { requestTo } from './testing.ts';

const size = { width: 32, height: 32 };
const request = { prompt: 'a red cat and a blue boat', seed: 5, steps: 4, iterations: 2, cutouts: 2 };

let pipeline: Pipeline;
useTinyPipeline((opened) => {
  pipeline = opened;
});

async function collect(iterations: AsyncGenerator<Iteration>): Promise<Iteration[]> {
  const all: Iteration[] = [];
  for await (const iteration of iterations) all.push(iteration);
  return all;
}

describe.each(METHOD_NAMES)('%s', (name) => {
  it('yields the plain image first, then one per round, the same bytes for the same seed', async () => {
    const rounds = await collect(methods[name].run(pipeline, requestTo(name, request)));
    const again = await collect(methods[name].run(pipeline, requestTo(name, request)));
    expect(rounds.map(({ iteration }) => iteration)).toEqual(
      Array.from({ length: defined(rounds.at(-1)).iterations + 1 }, (_, i) => i),
    );
    expect(rounds[0].best).toBe(true);
    rounds.forEach((round, i) => {
      expect(round.image).toMatchObject(size);
      expect(round.image.data).toEqual(again[i].image.data);
      expect(round.latent).toEqual(again[i].latent);
      expect(round.clip).toEqual(again[i].clip);
      expect(round.clip.A).toBeTypeOf('number');
      expect(round.seconds.total).toBeGreaterThanOrEqual(round.seconds.iteration);
    });
    expect(rounds[0].latent).toEqual(Float64Array.from(new Generator(5).randn([1, 4, 8, 8])));
    if (rounds.length > 1) expect(rounds[1].image.data).not.toEqual(rounds[0].image.data);
  });

  it.each([
    [20, 28],
    [36, 8],
    [8, 60],
  ])('makes images whose latents the strides of the UNet do not divide: %i x %i', async (width, height) => {
    const settings = { ...request, iterations: 1, steps: 2, width, height };
    const rounds = await collect(methods[name].run(pipeline, requestTo(name, settings)));
    for (const { image, latent } of rounds) {
      expect(image).toMatchObject({ width, height });
      expect(latent).toHaveLength((4 * width * height) / 16);
    }
    if (rounds.length > 1) expect(rounds[1].image.data).not.toEqual(rounds[0].image.data);
  });

  it("takes everything from torch's generator of a graphics card where rng says so", async () => {
    const settings = { ...request, iterations: 1, rng: 'cuda' as const };
    const [first] = await collect(methods[name].run(pipeline, requestTo(name, settings)));
    expect(first.latent).toEqual(Float64Array.from(new PhiloxGenerator(5).randn([1, 4, 8, 8])));
  });

  it('stops when it is aborted, between two network calls', async () => {
    const controller = new AbortController();
    const onStep = () => controller.abort();
    const run = methods[name].run(pipeline, requestTo(name, request), { signal: controller.signal, onStep });
    await expect(collect(run)).rejects.toMatchObject({ name: 'AbortError' });
  });
});

it('counts network evaluations', async () => {
  const at = async (name: MethodName, settings = {}) =>
    (await collect(methods[name].run(pipeline, requestTo(name, { ...request, ...settings })))).at(-1)
      ?.evaluations;
  expect(await at('sd')).toEqual({ forward: 8, pullback: 0 });
  // Three images of four steps, two calls each, two prompts per call; two backward passes.
  expect(await at('doodl')).toEqual({ forward: 48, pullback: 32 });
  expect(await at('sgool', { trajectory: 'checkpointed' })).toEqual({ forward: 48, pullback: 32 });
  expect(await at('sgool')).toEqual({ forward: 80, pullback: 32 });
  expect(await at('sgool', { sampler: 'ddim' })).toEqual({ forward: 24, pullback: 16 });
  // Less of the backward pass: the last step alone, no step.
  expect(await at('doodl', { sampler: 'ddim', gradientSteps: 1 })).toEqual({ forward: 24, pullback: 4 });
  expect(await at('doodl', { sampler: 'ddim', jacobianShare: 0 })).toEqual({ forward: 24, pullback: 0 });
});

it('ends early by its rules, before a gradient that is not needed', async () => {
  const rounds = await collect(
    methods.doodl.run(pipeline, { ...request, targetClip: -100, sampler: 'ddim' }),
  );
  expect(rounds).toHaveLength(1);
  expect(rounds[0].evaluations).toEqual({ forward: 8, pullback: 0 });
  // Noise that does not move does not better its loss either.
  const unmoved = { optimiser: 'doodl', gradScale: 0, perturbation: 0, cutouts: 0, sampler: 'ddim' } as const;
  const patient = { ...request, ...unmoved, iterations: 9, patience: 2 };
  expect(await collect(methods.doodl.run(pipeline, patient))).toHaveLength(3);
  expect(
    await collect(methods['best-of'].run(pipeline, requestTo('best-of', { ...request, targetClip: -100 }))),
  ).toHaveLength(1);
});

it('leaves a latent that made the loss worse without a gradient', async () => {
  const totals = [1, 2, 0.5, 0.4];
  const rigged: Pipeline = {
    ...pipeline,
    async objective(options) {
      const objective = await pipeline.objective(options);
      const evaluate = async (...args: Parameters<typeof objective.evaluate>) => ({
        ...(await objective.evaluate(...args)),
        total: defined(totals.shift()),
      });
      return { ...objective, evaluate };
    },
  };
  const settings = { optimiser: 'trust-region', sampler: 'ddim', cutouts: 0, iterations: 3 } as const;
  const rounds = await collect(methods.doodl.run(rigged, { ...request, ...settings }));
  expect(rounds.map(({ evaluations }) => evaluations.pullback)).toEqual([0, 8, 8, 16]);
});

it('compares steps by one function: random cutouts cost a trust region no steps', async () => {
  const gradients = async (settings: object) => {
    const input = { ...request, sampler: 'ddim', steps: 2, iterations: 8, ...settings } as const;
    const rounds = await collect(methods.doodl.run(pipeline, { ...input, optimiser: 'trust-region' }));
    return defined(rounds.at(-1)).evaluations.pullback / 4;
  };
  const fixed = await gradients({ cutouts: 0 });
  expect(fixed).toBeGreaterThanOrEqual(6);
  const random = { cutouts: 4, cutSize: 0.3, cutReduction: 'mean' };
  expect(await gradients(random)).toBeGreaterThanOrEqual(fixed);
  expect(await gradients({ ...random, seed: 6 })).toBeGreaterThanOrEqual(fixed - 1);
});

it('reports progress inside an iteration', async () => {
  const seen: string[] = [];
  const onStep = ({
    phase,
    step,
    steps,
    iteration,
  }: {
    phase: string;
    step: number;
    steps: number;
    iteration: number;
  }) => seen.push(`${iteration} ${phase} ${step}/${steps}`);
  await collect(methods.sgool.run(pipeline, { ...request, steps: 2, iterations: 1 }, { onStep }));
  expect(seen).toEqual([
    '0 denoise 1/2',
    '0 denoise 2/2',
    '0 gradient 1/2',
    '0 gradient 2/2',
    '1 denoise 1/2',
    '1 denoise 2/2',
  ]);
});

describe('sgool', () => {
  it('yields the saliency map, the regions, and both parts of the loss', async () => {
    const rounds = await collect(
      methods.sgool.run(pipeline, { ...request, saliency: 'spectral-residual', lambda: 0.5 }),
    );
    for (const { loss, regions, saliency } of rounds) {
      expect(saliency).toMatchObject(size);
      expect(regions?.length).toBeGreaterThan(0);
      const { total, whole, cutouts, regions: salient } = defined(loss);
      expect(whole).toBeUndefined();
      expect(total).toBeCloseTo(defined(cutouts) + 0.5 * defined(salient), 4);
    }
  });

  it.each(['crop', 'mask'] as const)(
    'sees the whole without cutouts, and its regions by %s',
    async (regionView) => {
      const settings = { regionView, cutouts: 0, saliency: 'random', lambda: 0.5, iterations: 1 } as const;
      for (const { loss } of await collect(methods.sgool.run(pipeline, { ...request, ...settings }))) {
        const { total, whole, cutouts, regions } = defined(loss);
        expect(cutouts).toBeUndefined();
        expect(total).toBeCloseTo(defined(whole) + 0.5 * defined(regions), 4);
      }
    },
  );

  it.each([
    ['no regions', { saliency: 'none' }],
    [
      'a prompt that excludes all that it names',
      { regionText: 'parts', prompt: 'no boats', saliency: 'centre' },
    ],
  ] as const)('counts the whole alone with %s', async (_, settings) => {
    const short = { ...request, cutouts: 0, iterations: 0, ...settings } as const;
    const [{ loss }] = await collect(methods.sgool.run(pipeline, short));
    expect(loss).toMatchObject({ total: loss?.whole });
    expect(loss?.regions).toBeUndefined();
    expect(loss?.scorers?.[0]).not.toHaveProperty('regions');
  });

  it('is guided by what finds its regions', () => {
    const roles = (saliency: 'transalnet' | 'grad-cam' | 'judge', keep: 'clip' | 'last' = 'clip') =>
      methods.sgool.roles({ ...methods.sgool.defaults(pipeline.model), saliency, keep });
    expect(roles('transalnet')).toEqual({ guides: ['clip_a'], selects: ['clip_a'] });
    expect(roles('grad-cam')).toEqual({ guides: ['clip_a'], selects: ['clip_a'] });
    expect(roles('judge', 'last')).toEqual({ guides: ['clip_a', 'judge'], selects: [] });
  });

  it('lowers its loss', async () => {
    const settings = {
      optimiser: 'normalised',
      learningRate: 0.1,
      cutouts: 0,
      saliencyEvery: 0,
      keep: 'loss',
      sampler: 'ddim',
    } as const;
    const rounds = await collect(
      methods.sgool.run(pipeline, { ...request, ...settings, steps: 2, iterations: 4, regionText: 'parts' }),
    );
    const totals = rounds.map(({ loss }) => defined(loss).total);
    expect(totals.at(-1)).toBeLessThan(totals[0]);
    const best = rounds.findLast(({ best }) => best);
    expect(best?.loss?.total).toBe(Math.min(...totals));
  });

  it('stops at a gradient that is not finite, naming the iteration, after the image was given out', async () => {
    let calls = 0;
    const broken: Pipeline = {
      ...pipeline,
      async objective(options) {
        const objective = await pipeline.objective(options);
        return {
          ...objective,
          async evaluate(latent, input) {
            const result = await objective.evaluate(latent, input);
            // Two evaluations per iteration, one for each latent of the pair.
            if (++calls > 2) result.gradient[7] = Number.NaN;
            return result;
          },
        };
      },
    };
    const given: Iteration[] = [];
    const run = async () => {
      for await (const iteration of methods.sgool.run(broken, request)) given.push(iteration);
    };
    await expect(run()).rejects.toThrow(UserError);
    expect(given.map(({ iteration }) => iteration)).toEqual([0, 1]);
    calls = 0;
    await expect(run()).rejects.toThrow(/sgool: stopped in iteration 1: the gradient of the loss holds NaN/);
  });
});

describe('clip-guided', () => {
  it('returns the guided image even where CLIP prefers the plain one, and the better one on request', async () => {
    const sinking = { ...pipeline, score: async () => ({ A: calls++ % 2 === 0 ? 30 : 20 }) };
    let calls = 0;
    const best = async (settings: object) =>
      (
        await collect(
          methods['clip-guided'].run(sinking, requestTo('clip-guided', { ...request, ...settings })),
        )
      ).map(({ best }) => best);
    expect(await best({ keep: undefined })).toEqual([true, true]);
    expect(await best({ keep: 'clip' })).toEqual([true, false]);
    await expect(best({ keep: 'loss' })).rejects.toThrow(
      /keep is not usable, got "loss"; choose one of clip, objective, last/,
    );
  });

  it('refuses EDICT, which no published form of it uses, and does not take it from a hint for all methods', async () => {
    const run = collect(
      methods['clip-guided'].run(pipeline, { ...requestTo('clip-guided', request), sampler: 'edict' }),
    );
    await expect(run).rejects.toThrow(/sampler is not usable, got "edict"; choose one of ddim, pndm/);
    const hinted = { ...pipeline.model, hint: { '*': { sampler: 'edict' as const } } };
    expect(methods['clip-guided'].defaults(hinted)).toMatchObject({ sampler: 'ddim', keep: 'last' });
    expect(methods.doodl.defaults(hinted).sampler).toBe('edict');
  });

  it('is plain generation without the CLIP loss', async () => {
    const unguided = requestTo('clip-guided', { ...request, cutouts: undefined, clipGuidanceScale: 0 });
    const rounds = await collect(methods['clip-guided'].run(pipeline, unguided));
    expect(rounds[1].image.data).toEqual(rounds[0].image.data);
  });

  it('leaves the prediction at the pure noise of a flow, which cannot be bent', async () => {
    const flow = { ...pipeline, noisePath: () => rectifiedFlow };
    const once = requestTo('clip-guided', { ...request, sampler: 'ddim', steps: 1 });
    const rounds = await collect(methods['clip-guided'].run(flow, once));
    expect(rounds[1].image.data).toEqual(rounds[0].image.data);
    const twice = await collect(methods['clip-guided'].run(flow, { ...once, steps: 2 }));
    expect(twice[1].image.data).not.toEqual(twice[0].image.data);
  });

  it('takes the gradient of the loss of the predicted image', async () => {
    const conditional = await pipeline.denoiser({ ...request, guidanceScale: 1, ...size });
    const critic = await pipeline.critic();
    const objective = await pipeline.objective({
      ...size,
      parts: [{ guide: clipGuide(await pipeline.critic()), views: 1 }],
      saturatedGradient: 'clamp',
    });
    const crop = wholeCrop({ ...size, side: critic.side });
    const input = [{ views: [{ crop, aim: { text: await critic.embedText(request.prompt) }, weight: 1 }] }];
    const [timestep, step] = [300, 0.02];
    const path = pipeline.noisePath(size);
    const level = path.level(timestep);
    const noise = Float64Array.from(new Generator(5).randn([256]));
    const slope = await sightGradient(
      conditional,
      (sight) => objective.evaluate(sight, input),
      noise,
      timestep,
      path,
    );
    const length = Math.hypot(...slope);
    const [signal, spread] = [path.signal(level), path.noise(level)];
    const at = async (sign: number) => {
      const latent = noise.map((value, i) => value + (sign * step * slope[i]) / length);
      const prediction = await conditional.predict(latent, timestep);
      const clean = latent.map((value, i) => (value - spread * prediction[i]) / signal);
      const sight = latent.map((value, i) => spread * clean[i] + (1 - spread) * value);
      return (await objective.evaluate(sight, input)).total;
    };
    const difference = ((await at(1)) - (await at(-1))) / (2 * step);
    expect(difference / length).toBeCloseTo(1, 2);
  });
});
