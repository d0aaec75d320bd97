import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { samplersOn } from '../../diffusion/sampler-names.ts';
import { methods } from '../../methods/index.ts';
import type { Iteration } from '../../methods/run/iteration.ts';
import { requestTo } from '../../methods/testing.ts';
import { loadPipeline } from '../../pipeline/load-pipeline.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import { writeTinyModel } from '../../pipeline/testing.ts';
import { Generator } from '../../random/generator.ts';
import type { MethodRequest } from '../../request/request.ts';
import { PRESETS } from '../../request/request.ts';
import { fewStepSampling } from './few-step.ts';
import { guidanceEmbedding } from './guidance-embedding.ts';

const request = {
  prompt: 'a red cat',
  seed: 3,
  iterations: 2,
  cutouts: 0,
  saliency: 'spectral-residual',
  width: 16,
} as const;

/** As SD-Turbo's folder has it. */
const TURBO = {
  _class_name: 'EulerDiscreteScheduler',
  clip_sample: false,
  interpolation_type: 'linear',
  prediction_type: 'epsilon',
  sigma_max: null,
  timestep_spacing: 'trailing',
  timestep_type: 'discrete',
  trained_betas: null,
  use_karras_sigmas: false,
};

let turbo: Pipeline;
let consistency: Pipeline;
const remove: (() => Promise<void>)[] = [];
beforeAll(async () => {
  const open = async (scheduler: Record<string, unknown>) => {
    const model = await writeTinyModel({ scheduler, without: ['clip_b', 'transalnet'] });
    remove.push(model.remove);
    return loadPipeline(model.dir, { threads: 1 });
  };
  turbo = await open(TURBO);
  consistency = await open({ _class_name: 'LCMScheduler' });
});
afterAll(async () => {
  await turbo.dispose();
  await consistency.dispose();
  for (const one of remove) await one();
});

type Name = keyof typeof methods;
async function collect(name: Name, pipeline: Pipeline, more: Partial<MethodRequest> = {}) {
  const all: Iteration[] = [];
  for await (const one of methods[name].run(pipeline, requestTo(name, { ...request, ...more })))
    all.push(one);
  return all;
}

describe('few-step models', () => {
  it('are recognised by their scheduler', () => {
    const plain = { time_cond_proj_dim: null };
    expect(fewStepSampling(TURBO, plain)).toEqual({ sampler: 'euler', steps: 1, guidanceScale: 1 });
    const ancestral = { ...TURBO, _class_name: 'EulerAncestralDiscreteScheduler' };
    expect(fewStepSampling(ancestral, plain)).toMatchObject({ sampler: 'euler-ancestral', steps: 1 });
    const lcm = { _class_name: 'LCMScheduler' };
    expect(fewStepSampling({ _class_name: 'TCDScheduler' }, {})).toEqual({
      sampler: 'tcd',
      steps: 4,
      guidanceScale: 1,
    });
    expect(fewStepSampling(lcm, plain)).toEqual({ sampler: 'lcm', steps: 4, guidanceScale: 1 });
    expect(fewStepSampling(lcm, { time_cond_proj_dim: 256 })).toMatchObject({ guidanceScale: 8.5 });
    for (const other of [
      { _class_name: 'PNDMScheduler' },
      { ...TURBO, timestep_spacing: 'leading' },
      { ...TURBO, prediction_type: 'v_prediction' },
      { ...TURBO, _class_name: 'DDIMScheduler' },
    ]) {
      expect(fewStepSampling(other, plain)).toBeUndefined();
    }
  });

  it('have their own sampler and steps in every method, also without the hints', () => {
    for (const preset of PRESETS) {
      for (const name of ['sd', 'sgool', 'doodl', 'best-of', 'clip-guided'] as const) {
        expect(methods[name].defaults(turbo.model, preset)).toMatchObject({
          sampler: 'euler',
          steps: 1,
          guidanceScale: 1,
        });
        expect(methods[name].defaults(consistency.model, preset)).toMatchObject({ sampler: 'lcm', steps: 4 });
      }
    }
    for (const name of ['sgool', 'doodl'] as const) {
      for (const preset of PRESETS) {
        expect(methods[name].defaults(turbo.model, preset)).toMatchObject({ trajectory: 'checkpointed' });
      }
    }
    expect(methods.sgool.defaults(turbo.model)).toMatchObject({ optimiser: 'normalised', iterations: 50 });
    expect(methods.sgool.defaults(turbo.model, 'paper')).toMatchObject({ optimiser: 'doodl' });
    expect(methods.sgool.defaults(turbo.model, 'fast')).toMatchObject({
      optimiser: 'normalised',
      iterations: 20,
    });
  });

  it('are optimised at one evaluation and one pullback per step', async () => {
    const last = async (name: Name, pipeline: Pipeline) =>
      (await collect(name, pipeline)).at(-1)?.evaluations;
    expect(await last('sgool', turbo)).toEqual({ forward: 3, pullback: 2 });
    expect(await last('doodl', turbo)).toEqual({ forward: 3, pullback: 2 });
    expect(await last('best-of', turbo)).toEqual({ forward: 3, pullback: 0 });
    expect(await last('sgool', consistency)).toEqual({ forward: 12, pullback: 8 });
  });

  it('are optimised to a lower loss', async () => {
    for (const pipeline of [turbo, consistency]) {
      const rounds = await collect('doodl', pipeline, { iterations: 4, learningRate: 0.1, keep: 'loss' });
      expect(rounds.at(-1)?.loss?.total).toBeLessThan(rounds[0].loss?.total ?? Number.NaN);
    }
  });

  it('take a guidance of 0 as none', async () => {
    const [none, zero] = [
      await collect('sd', turbo),
      await collect('sd', turbo, { guidanceScale: 0, negativePrompt: 'a blue boat' }),
    ];
    expect(zero[0].image.data).toEqual(none[0].image.data);
    expect(zero[0].evaluations.forward).toBe(1);
  });
});

describe('fresh noise', () => {
  it('stays the same in every iteration, so that unmoved noise gives the same image', async () => {
    const unmoved = { optimiser: 'doodl', gradScale: 0, perturbation: 0 } as const;
    const rounds = await collect('sgool', consistency, unmoved);
    for (const { image } of rounds) expect(image.data).toEqual(rounds[0].image.data);
    const [plain] = await collect('sd', consistency);
    expect(rounds[0].image.data).toEqual(plain.image.data);
  });

  it('comes after the starting noise in the stream of the seed, for every seed of best-of', async () => {
    const [first, second] = await collect('best-of', consistency, { iterations: 1 });
    const [other] = await collect('sd', consistency, { seed: 4 });
    expect(second.image.data).toEqual(other.image.data);
    expect(second.image.data).not.toEqual(first.image.data);
    // One seed, one sequence of numbers: the noise is not the beginning of itself again.
    const random = new Generator(3);
    expect(first.latent).toEqual(Float64Array.from(random.randn([64])));
    expect(Float64Array.from(random.randn([64]))).not.toEqual(first.latent);
  });
});

describe('every sampler', () => {
  it.each(samplersOn('variance-preserving'))('%s makes an image and has a gradient', async (sampler) => {
    const settings = { sampler, steps: 3, iterations: 1, guidanceScale: 2 } as const;
    const [plain] = await collect('sd', turbo, settings);
    const rounds = await collect('doodl', turbo, settings);
    expect(rounds[0].image.data).toEqual(plain.image.data);
    expect(rounds[1].latent).not.toEqual(rounds[0].latent);
  });

  it('ddim takes eta', async () => {
    const [quiet] = await collect('sd', turbo, { sampler: 'ddim', steps: 3 });
    const [loud] = await collect('sd', turbo, { sampler: 'ddim', steps: 3, eta: 1 });
    expect(loud.image.data).not.toEqual(quiet.image.data);
  });

  it.each(['pndm', 'euler-ancestral'] as const)('%s is steered by CLIP guidance', async (sampler) => {
    const off = await collect('clip-guided', turbo, { sampler, steps: 2, clipGuidanceScale: 0 });
    expect(off[1].image.data).toEqual(off[0].image.data);
    const on = await collect('clip-guided', turbo, { sampler, steps: 2 });
    expect(on[1].image.data).not.toEqual(on[0].image.data);
  });
});

describe('guidanceEmbedding', () => {
  it('holds sines, then cosines, of a thousand times the scale beyond 1', () => {
    const values = guidanceEmbedding(8.5, 5);
    expect(values[0]).toBeCloseTo(Math.sin(7500), 6);
    expect(values[1]).toBeCloseTo(Math.sin(0.75), 6);
    expect(values[2]).toBeCloseTo(Math.cos(7500), 6);
    expect(values[4]).toBe(0);
  });
});
