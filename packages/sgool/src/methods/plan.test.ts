import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { writeTinyModel } from '../pipeline/testing.ts';
import type { MethodRequest } from '../request/request.ts';
import { defined } from '../testing.ts';
import { methods, parseRequest } from './index.ts';
import type { Iteration } from './run/iteration.ts';

let pipeline: Pipeline;
let model: Awaited<ReturnType<typeof writeTinyModel>>;
beforeAll(async () => {
  model = await writeTinyModel({
    without: ['transalnet', 'clip_b'],
    hint: { defaults: { '*': { guidanceScale: 3 }, sgool: { lambda: 0.3 }, plan: { steps: 3 } } },
  });
  pipeline = await loadPipeline(model.dir, { threads: 1 });
});
afterAll(async () => {
  await pipeline.dispose();
  await model.remove();
});

const request = { prompt: 'a red cat', seed: 5, steps: 2, cutouts: 0, saliency: 'centre' } as const;
async function run(settings: Partial<MethodRequest>, name: 'plan' | 'best-of' = 'plan') {
  const all: Iteration[] = [];
  for await (const one of methods[name].run(pipeline, { ...request, ...settings })) all.push(one);
  return all;
}
const message = (settings: Partial<MethodRequest>) =>
  run(settings).then(
    () => 'no error',
    (error: Error) => error.message,
  );

describe('a plan', () => {
  it('hands the best noise over: the next method begins with its image', async () => {
    const rounds = await run({ plan: 'best-of:4, sgool:1, zero-order:2' });
    expect(rounds.map(({ iteration }) => iteration)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(new Set(rounds.map(({ iterations }) => iterations))).toEqual(new Set([9]));
    const bestUntil = (end: number) => defined(rounds.slice(0, end).findLast(({ best }) => best));
    for (const first of [5, 7]) {
      const { latent, image, seed } = bestUntil(first);
      expect(rounds[first].latent).toEqual(latent);
      expect(rounds[first].image.data).toEqual(image.data);
      expect(rounds[first].seed).toBe(seed);
    }
    // Something was handed over that is not the first.
    expect(bestUntil(5).iteration).toBeGreaterThan(0);
    const scores = rounds.map(({ clip }) => defined(clip.A));
    expect(defined(rounds.findLast(({ best }) => best)).clip.A).toBe(Math.max(...scores));
    expect(rounds.map(({ evaluations: { forward } }) => forward)).toEqual(rounds.map((_, i) => 4 * (i + 1)));
    expect(rounds[9].evaluations.pullback).toBe(4);
    for (const [i, { seconds }] of rounds.entries()) {
      expect(seconds.total).toBeGreaterThan(i === 0 ? 0 : rounds[i - 1].seconds.total);
    }
  });

  it('refuses an objective whose scales differ from stage to stage', async () => {
    const objective = 'clip,hps-v2.1';
    expect(await message({ plan: 'best-of:1, sgool:1', objective })).toBe(
      'plan: an objective of several scorers has another scale in each stage (spreadPictures 8); give spreadPictures 0 and weights of your own',
    );
    expect(await message({ plan: 'best-of:1, sgool:1', objective, spreadPictures: 0 })).toMatch(/hps-v2.1/);
    expect(await message({ plan: 'best-of:1, sgool:1', objective: 'clip@whole:2' })).toBe('no error');
  });

  it('begins as its first method would', async () => {
    const alone = await run({ iterations: 2, sampler: 'ddim' }, 'best-of').catch(() => []);
    const rounds = await run({ plan: 'best-of:2, zero-order:0', cutouts: undefined, saliency: undefined });
    expect(alone).toHaveLength(0);
    expect(rounds.slice(0, 3).map(({ seed }) => seed)).toEqual([5, 6, 7]);
  });

  it('hands over the seed, too, whose fresh noise makes the image of a stochastic sampler', async () => {
    const plan = 'best-of:4, doodl:0';
    const rounds = await run({ plan, sampler: 'euler-ancestral', saliency: undefined });
    const best = defined(rounds.slice(0, 5).findLast((one) => one.best));
    expect(best.seed).not.toBe(5);
    expect(rounds[5].image.data).toEqual(best.image.data);
  });

  it('has the settings of the last of its methods that has them, for all', () => {
    const { model: info } = pipeline;
    const defaults = (plan: string) => methods.plan.defaults(info, 'model', { plan });
    // The hints of the model for a method, and for plans over those.
    expect(defaults('best-of:1, sgool:1')).toMatchObject({ sampler: 'edict', lambda: 0.3, steps: 3 });
    expect(defaults('sgool:1, best-of:1')).toMatchObject({ sampler: 'ddim', lambda: 0.3, guidanceScale: 3 });
    expect(defaults('best-of:1')).not.toHaveProperty('lambda');
    expect(defaults('best-of:1')).not.toHaveProperty('iterations');
    expect(methods.plan.defaults(info, 'paper', { plan: 'best-of:1' }).steps).toBe(50);
  });

  it('is meant by a request that gives one', () => {
    expect(parseRequest({ prompt: 'a cat', plan: 'best-of:1' }).method).toBe('plan');
    expect(() => parseRequest({ prompt: 'a cat', method: 'sd', plan: 'best-of:1' })).toThrow(
      'plan: method sd has no such option; plan has it',
    );
  });

  it('knows what guides and what selects', () => {
    const roles = (plan: string) =>
      methods.plan.roles({ ...methods.plan.defaults(pipeline.model, 'model', { plan }), plan });
    expect(roles('best-of:1, zero-order:1')).toEqual({ guides: [], selects: ['clip_a'] });
    expect(roles('best-of:1, sgool:1')).toEqual({ guides: ['clip_a'], selects: ['clip_a'] });
  });

  it('shares a budget, of which the last stage gets what is left', async () => {
    const rounds = await run({
      plan: 'best-of:50%, zero-order:10%',
      budget: '42calls',
      cutouts: undefined,
      saliency: undefined,
    });
    // 21 calls are five images, of which the next stage makes the best again; 42 are ten.
    expect(rounds).toHaveLength(10);
    expect(rounds[5].latent).toEqual(defined(rounds.slice(0, 5).findLast(({ best }) => best)).latent);
    // Numbers of iterations go as far as the budget does.
    const counted = {
      plan: 'best-of:3, zero-order:9',
      budget: '24calls',
      cutouts: undefined,
      saliency: undefined,
    };
    expect(await run(counted)).toHaveLength(6);
    expect(await run({ ...counted, plan: 'best-of:5, zero-order:9' })).toHaveLength(6);
  });

  it('ends where the score is reached', async () => {
    const settings = {
      plan: 'best-of:3, zero-order:3',
      targetClip: -100,
      cutouts: undefined,
      saliency: undefined,
    };
    expect(await run(settings)).toHaveLength(1);
  });

  it.each<[Partial<MethodRequest>, RegExp]>([
    [{ plan: 'best-of' }, /plan is not usable, got "best-of"; must be methods with their iterations/],
    [
      { plan: 'best-of:2, sd:1' },
      /plan: sd cannot be a part of one, in "best-of:2, sd:1"; choose from doodl, sgool/,
    ],
    [{ plan: 'best-of:2.5' }, /plan: iterations of best-of must be a whole number, got 2.5/],
    [
      { plan: 'resampling:1, sgool:1' },
      /plan: resampling has no noise that makes its image again, .*; put it last/,
    ],
    [{ plan: 'best-of:80%, sgool:30%', budget: '9calls' }, /plan: the shares of the budget are 110% in all/],
    [{ plan: 'best-of:80%, sgool:20%' }, /plan: "best-of:80%, sgool:20%" shares a budget, and there is none/],
    [
      { plan: 'best-of:1, zero-order:1' },
      /plan: saliency has no effect on best-of and zero-order; leave it out/,
    ],
    [{ plan: 'sgool:1, best-of:1', optimiseFrom: 0.5 }, /plan: optimiseFrom 0.5 moves a later latent/],
    [{ plan: 'best-of:1', iterations: 3 }, /iterations: method plan has no such option; doodl, sgool/],
  ])('refuses %j in one line', async (settings, expected) => {
    expect(await message(settings)).toMatch(expected);
  });
});
