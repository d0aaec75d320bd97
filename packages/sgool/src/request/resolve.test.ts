import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { METHOD_NAMES, METHODS, methods } from '../methods/index.ts';
import { settingsOf } from '../methods/run/create-method.ts';
import type { Iteration } from '../methods/run/iteration.ts';
import { loadPipeline } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { writeTinyModel } from '../pipeline/testing.ts';
import { presetNote } from './defaults.ts';
import { parseMethodRequest } from './request.ts';

const plain = { prompt: 'a cat', seed: 0, steps: 2 };
const request = { ...plain, cutouts: 0 };

let pipeline: Pipeline;
let remove: () => Promise<void>;
beforeAll(async () => {
  const model = await writeTinyModel({
    without: ['clip_b', 'transalnet'],
    hint: {
      defaults: {
        '*': { steps: 2, cutPower: 0.5 },
        sgool: { iterations: 1, sampler: 'ddim' },
        'best-of': { stps: 2 },
        'clip-guided': { lambda: 1 },
      },
    },
  });
  remove = model.remove;
  pipeline = await loadPipeline(model.dir);
});
afterAll(async () => {
  await pipeline.dispose();
  await remove();
});

async function collect(iterations: AsyncGenerator<Iteration>): Promise<Iteration[]> {
  const all: Iteration[] = [];
  for await (const iteration of iterations) all.push(iteration);
  return all;
}

describe('settings', () => {
  it("come from the model's hints, unless the request or the paper preset says otherwise", async () => {
    const { sgool, doodl } = methods;
    expect(sgool.defaults(pipeline.model)).toMatchObject({ steps: 2, iterations: 1, sampler: 'ddim' });
    expect(doodl.defaults(pipeline.model)).toMatchObject({ steps: 2, iterations: 50, sampler: 'edict' });
    expect(sgool.defaults(pipeline.model, 'paper')).toMatchObject({ steps: 50, iterations: 50 });
    const rounds = await collect(sgool.run(pipeline, { prompt: 'a cat', seed: 0, cutouts: 0 }));
    expect(rounds).toHaveLength(2);
    expect(rounds[0].evaluations.forward).toBe(4);
  });

  it('take the sampler that the model names, and refuse one that has none here', () => {
    const { sd, doodl } = methods;
    expect(sd.defaults({ ...pipeline.model, sampler: 'unipc' }, 'paper')).toMatchObject({ sampler: 'unipc' });
    expect(doodl.defaults({ ...pipeline.model, sampler: 'unipc' }, 'paper')).toMatchObject({
      sampler: 'edict',
    });
    const model = {
      ...pipeline.model,
      hint: {},
      sampler: undefined,
      unsupportedSampler: 'DEIS has no sampler here',
    };
    const settingsFor = (method: Parameters<typeof settingsOf>[0], given = {}) =>
      settingsOf(method, { model }, parseMethodRequest({ prompt: 'a cat', ...given }, sd, METHODS));
    expect(() => settingsFor(sd)).toThrow(
      /DEIS has no sampler here; choose it, or another, with the option sampler/,
    );
    expect(settingsFor(sd, { sampler: 'unipc' }).sampler).toBe('unipc');
    expect(settingsFor(doodl).sampler).toBe('edict');
  });

  it('guide the part of the sampling that they name', async () => {
    // Two steps, at timesteps 501 and 1 of 1000.
    const half = { prompt: 'a cat', seed: 0, guidanceScale: 3, guidanceStop: 0.6 };
    const [round] = await collect(methods.sd.run(pipeline, half));
    expect(round.evaluations.forward).toBe(3);
    const turned = collect(methods.sd.run(pipeline, { ...half, guidanceStart: 0.7 }));
    await expect(turned).rejects.toThrow(/guidanceStart must not lie behind guidanceStop, got 0.7 and 0.6/);
  });

  it('see the whole image, but under the preset `paper`, where they see cutouts as the published code does', () => {
    const { sgool, doodl, sd } = methods;
    const model = { ...pipeline.model, hint: {} };
    const clipGuided = methods['clip-guided'];
    for (const method of [sgool, doodl, clipGuided]) {
      expect(method.defaults(model).cutouts).toBe(0);
      expect(method.defaults(model, 'fast').cutouts).toBe(0);
    }
    expect(doodl.defaults(model, 'paper')).toMatchObject({ cutouts: 16, cutReduction: 'min' });
    expect(sgool.defaults(model, 'paper').cutouts).toBe(16);
    expect(clipGuided.defaults(model, 'paper')).toMatchObject({ cutouts: 4, cutReduction: 'mean' });
    expect(sd.defaults(model)).not.toHaveProperty('cutouts');
  });

  it('take fewer evaluations under the preset `fast`, over the hints and under the request', async () => {
    const { sgool, doodl, sd } = methods;
    for (const method of [sgool, doodl]) {
      const published = method.defaults(pipeline.model, 'paper');
      const fast = method.defaults(pipeline.model, 'fast');
      const calls = ({ sampler, steps, iterations }: typeof fast) =>
        (sampler === 'edict' ? 2 : 1) * steps * iterations;
      expect(calls(fast)).toBeLessThanOrEqual(calls(published) / 10);
      expect(fast.guidanceScale).toBe(7.5);
    }
    expect(sgool.defaults(pipeline.model, 'fast').lambda).toBe(
      sgool.defaults(pipeline.model, 'paper').lambda,
    );
    expect(sd.defaults(pipeline.model, 'fast')).toEqual(sd.defaults(pipeline.model));
    const rounds = await collect(
      doodl.run(pipeline, { ...request, preset: 'fast', sampler: 'ddim', steps: 1, iterations: 1 }),
    );
    expect(rounds.at(-1)?.evaluations).toEqual({ forward: 4, pullback: 2 });
  });

  it("are ReNO's under the preset `reno`, on the sampling of the model, without its hints", () => {
    const { sgool, doodl, sd, plan, 'best-of': bestOf } = methods;
    const RENO = {
      objective: 'hps-v2.1:5,image-reward:1,pickscore:0.05,clip-cosine:0.01',
      spreadPictures: 0,
      keep: 'objective',
      iterations: 50,
    };
    const steps = {
      optimiser: 'reno',
      learningRate: 5,
      momentum: 0.9,
      nesterov: true,
      clipNorm: 0.1,
      normWeight: 0.01,
    };
    const turbo = { sampler: 'euler', steps: 1, guidanceScale: 1 } as const;
    const model = { ...pipeline.model, fewStep: turbo };
    for (const method of [sgool, doodl]) {
      expect(method.defaults(model, 'reno')).toMatchObject({ ...RENO, ...steps, ...turbo, cutouts: 0 });
      const many = method.defaults({ ...pipeline.model, sampler: 'pndm' }, 'reno');
      expect(many).toMatchObject({ ...steps, sampler: 'pndm', steps: 50, trajectory: 'checkpointed' });
    }
    const { keep: _, ...scorers } = RENO;
    expect(bestOf.defaults(pipeline.model, 'reno')).toMatchObject(scorers);
    expect(plan.defaults(pipeline.model, 'reno')).toMatchObject({ ...steps, objective: RENO.objective });
    expect(sd.defaults(pipeline.model, 'reno')).toEqual(sd.defaults(pipeline.model, 'paper'));
    const note = (method: (typeof methods)[keyof typeof methods], info: typeof pipeline.model) =>
      presetNote('reno', method, info);
    expect(note(sgool, model)).toBeUndefined();
    expect(presetNote('fast', sgool, pipeline.model)).toBeUndefined();
    expect(note(sgool, pipeline.model)).toMatch(
      /^preset reno is for models of one to four steps, and .* needs many: each/,
    );
    expect(note(bestOf, model)).toBe(
      'preset reno: method best-of takes its scorers; it has no steps along a gradient',
    );
    expect(note(sd, model)).toMatch(/^preset reno: method sd has no scorers and moves no noise/);
  });

  it('refuse hints that are none, or of another method', () => {
    expect(() => methods['best-of'].defaults(pipeline.model)).toThrow(/sgool.json: defaults.best-of: .*stps/);
    expect(() => methods['clip-guided'].defaults(pipeline.model)).toThrow(
      /sgool.json: defaults.clip-guided.lambda: method clip-guided has no such option$/,
    );
    const model = { ...pipeline.model, hint: { '*': { stps: 2 } } };
    expect(() => methods.sd.defaults(model)).toThrow(/sgool.json: defaults.\*: .*stps/);
    const wrong = { ...pipeline.model, hint: { '*': { cutPower: -1 } } };
    expect(() => methods.sd.defaults(wrong)).toThrow(/sgool.json: defaults.\*.cutPower: /);
  });

  it('skip what the hints for all methods say of a setting that the method does not have', () => {
    expect(methods.doodl.defaults(pipeline.model)).toMatchObject({ cutPower: 0.5 });
    expect(methods.sd.defaults(pipeline.model)).not.toHaveProperty('cutPower');
  });

  /** A plan has the settings of its methods. */
  const everyMethod = 'doodl:1, sgool:1, best-of:1, zero-order:1, trust-region-search:1, resampling:1';

  it.each(METHOD_NAMES)('are those of the method, no more and no fewer: %s', (name) => {
    const model = { ...pipeline.model, hint: { '*': { steps: 2, cutPower: 0.5 } } };
    for (const preset of ['model', 'fast', 'paper'] as const) {
      const keys = Object.keys(methods[name].defaults(model, preset, { plan: everyMethod }));
      expect(keys.sort()).toEqual(Object.keys(methods[name].settings).sort());
    }
  });

  it('take the detector that the model has the network for', () => {
    expect(methods.sgool.defaults(pipeline.model).saliency).toBe('grad-cam');
    const has = { clip: true, clipB: false, transalnet: true };
    expect(methods.sgool.defaults({ ...pipeline.model, has }).saliency).toBe('transalnet');
  });

  it('refuse sizes that do not fit the model', async () => {
    const run = methods.sd.run(pipeline, { ...plain, width: 38 });
    await expect(collect(run)).rejects.toThrow(/width must be a multiple of 4 .* got 38; use 36 or 40$/);
  });

  it('make images that are not square', async () => {
    const [{ image }] = await collect(methods.sd.run(pipeline, { ...plain, width: 48, height: 24 }));
    expect(image).toMatchObject({ width: 48, height: 24 });
    const rounds = await collect(
      methods.sgool.run(pipeline, { ...request, width: 24, height: 48, iterations: 1 }),
    );
    expect(rounds[1].image).toMatchObject({ width: 24, height: 48 });
  });

  it('have one side alone mean a square', async () => {
    const [{ image }] = await collect(methods.sd.run(pipeline, { ...plain, width: 24 }));
    expect(image).toMatchObject({ width: 24, height: 24 });
  });
});
