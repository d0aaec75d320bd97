import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSchedule } from '../../diffusion/schedule.ts';
import { networkWeights } from '../../networks/network-weights.ts';
import { unetConfig } from '../../networks/unet/unet-config.ts';
import { dot } from '../../numbers.ts';
import { writeTinyModel } from '../../pipeline/testing.ts';
import { Generator } from '../../random/generator.ts';
import { DryRunPrograms } from '../../runtime/dry-run.ts';
import { ProgramCache } from '../../runtime/program-cache.ts';
import { openModelFolder } from '../../weights/open/model-folder.ts';
import { componentOf } from '../components.ts';
import { rescaledGuidance } from '../guidance-rescale.ts';
import { createDenoiser, type DenoiserParts } from './denoising.ts';

const normal = (seed: number, count = 256) => Float64Array.from(new Generator(seed).randn([count]));
const along = (a: Float64Array, b: Float64Array, step: number) => a.map((value, i) => value + step * b[i]);

/** Hidden states as a text encoder might give them. */
const context = (seed: number) => ({ tokens: 12, width: 16, data: Float32Array.from(normal(seed, 12 * 16)) });
const prompt = context(8);
const negative = context(9);

const programs = new ProgramCache({ device: 'cpu' });
let parts: Pick<DenoiserParts, 'programs' | 'config' | 'weights' | 'latentShape'>;
let remove: () => Promise<void>;
beforeAll(async () => {
  const model = await writeTinyModel({ without: ['clip', 'clip_b', 'transalnet'] });
  remove = model.remove;
  const unet = componentOf(await openModelFolder(model.dir), 'unet');
  parts = {
    programs,
    config: unetConfig(unet.config),
    weights: networkWeights(unet.weights),
    latentShape: [1, 4, 8, 8],
  };
});
afterAll(async () => {
  await programs.dispose();
  await remove();
});

function denoiser(prediction_type: string, options: Partial<DenoiserParts> = {}) {
  const schedule = createSchedule({ prediction_type });
  const evaluations = { forward: 0, pullback: 0 };
  return createDenoiser({
    ...parts,
    schedule,
    conditional: prompt,
    guidanceScale: 3,
    evaluations,
    ...options,
  });
}

describe.each(['epsilon', 'v_prediction', 'sample'])('a network that predicts %s', (type) => {
  it('has its prediction combined of both prompts by the guidance scale', async () => {
    const guided = denoiser(type, { unconditional: negative });
    const [conditional, unconditional] = [denoiser(type), denoiser(type, { conditional: negative })];
    const latent = normal(1);
    const [c, u] = [await conditional.predict(latent, 500), await unconditional.predict(latent, 500)];
    (await guided.predict(latent, 500)).forEach((value, i) => {
      expect(value).toBeCloseTo(u[i] + 3 * (c[i] - u[i]), 3);
    });
    expect(conditional.evaluations).toEqual({ forward: 1, pullback: 0 });
    expect(guided.evaluations).toEqual({ forward: 2, pullback: 0 });
  });

  it('has the gradient of its prediction', async () => {
    const guided = denoiser(type, { unconditional: negative });
    const [latent, direction, cotangent] = [normal(1), normal(2), normal(3)];
    const [timestep, step] = [700, 1e-2];
    const ahead = await guided.predict(along(latent, direction, step), timestep);
    const behind = await guided.predict(along(latent, direction, -step), timestep);
    const expected = dot(cotangent, along(ahead, behind, -1)) / (2 * step);
    const gradient = await guided.pullback(latent, timestep, cotangent);
    expect(Math.abs(dot(gradient, direction) - expected)).toBeLessThan(
      0.01 * Math.sqrt(dot(gradient, gradient) * dot(direction, direction)),
    );
    expect(guided.evaluations).toEqual({ forward: 4, pullback: 2 });
  });
});

it('evaluates the prompts of a large image one after the other, for the same numbers', async () => {
  const latentShape = [1, 4, 64, 64];
  const own = new ProgramCache({ device: 'cpu', memory: 'plenty' });
  const requested: string[] = [];
  const get = own.get.bind(own);
  own.get = (key, ...others) => {
    requested.push(key);
    return get(key, ...others);
  };
  const at = { latentShape, programs: own };
  const guided = denoiser('epsilon', { ...at, unconditional: negative });
  const alone = [denoiser('epsilon', { ...at, conditional: negative }), denoiser('epsilon', at)] as const;
  const [latent, cotangent] = [normal(1, 2 ** 14), normal(3, 2 ** 14)];
  const [u, c] = await Promise.all(alone.map((each) => each.predict(latent, 500)));
  (await guided.predict(latent, 500)).forEach((value, i) => {
    expect(Math.abs(value - (u[i] + 3 * (c[i] - u[i])))).toBeLessThan(1e-4);
  });
  const [du, dc] = await Promise.all(alone.map((each) => each.pullback(latent, 500, cotangent)));
  (await guided.pullback(latent, 500, cotangent)).forEach((value, i) => {
    expect(Math.abs(value - (3 * dc[i] - 2 * du[i]))).toBeLessThan(1e-4);
  });
  expect(guided.evaluations).toEqual({ forward: 2, pullback: 2 });
  expect(new Set(requested)).toEqual(
    new Set(['unet 1x1x4x64x64, 12 tokens', 'unet pullback 1x1x4x64x64, 12 tokens']),
  );
  await own.dispose();
});

it('has no guidance to rescale where the network takes the scale as an input', () => {
  const config = { ...parts.config, time_cond_proj_dim: 8 };
  expect(() => denoiser('epsilon', { config, guidanceRescale: 0.7 })).toThrow(
    'guidanceRescale: 0.7 is not supported with a network that takes the guidance scale as an input',
  );
});

it('rescales its guidance, with the gradient', async () => {
  const guided = denoiser('epsilon', { unconditional: negative, guidanceRescale: 0.7 });
  const [plain, alone] = [denoiser('epsilon', { unconditional: negative }), denoiser('epsilon')];
  const [latent, direction, cotangent] = [normal(1), normal(2), normal(3)];
  const [g, p] = [await plain.predict(latent, 700), await alone.predict(latent, 700)];
  const expected = rescaledGuidance(Float32Array.from(g), Float32Array.from(p), 0.7);
  (await guided.predict(latent, 700)).forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i], 4);
  });
  const ahead = await guided.predict(along(latent, direction, 1e-2), 700);
  const behind = await guided.predict(along(latent, direction, -1e-2), 700);
  const slope = dot(cotangent, along(ahead, behind, -1)) / 2e-2;
  const gradient = await guided.pullback(latent, 700, cotangent);
  expect(Math.abs(dot(gradient, direction) - slope)).toBeLessThan(
    0.01 * Math.sqrt(dot(gradient, gradient) * dot(direction, direction)),
  );
});

it('evaluates the prompt alone when guidance is 1', async () => {
  const plain = denoiser('epsilon', { unconditional: negative, guidanceScale: 1 });
  expect(await plain.predict(normal(1), 10)).toEqual(await denoiser('epsilon').predict(normal(1), 10));
  expect(plain.evaluations.forward).toBe(1);
});

it('evaluates both prompts within the guided part of the way only', async () => {
  const within = denoiser('epsilon', { unconditional: negative, guidanceStart: 0.3, guidanceStop: 0.6 });
  const [guided, plain] = [denoiser('epsilon', { unconditional: negative }), denoiser('epsilon')];
  const [latent, cotangent] = [normal(1), normal(2)];
  // Of 1000 timesteps, noise first: 20%, 50% and 90% of the way.
  for (const [timestep, same] of [
    [800, plain],
    [500, guided],
    [100, plain],
  ] as const) {
    expect(await within.predict(latent, timestep)).toEqual(await same.predict(latent, timestep));
    expect(await within.pullback(latent, timestep, cotangent)).toEqual(
      await same.pullback(latent, timestep, cotangent),
    );
  }
  expect(within.evaluations).toEqual({ forward: 4, pullback: 4 });
});

it('guides the last step too by default', async () => {
  const guided = denoiser('epsilon', { unconditional: negative });
  await guided.predict(normal(1), 0);
  expect(guided.evaluations.forward).toBe(2);
});

describe('what a step copies to a card and back', () => {
  const LATENT = 4 * 4 * 8 * 8;
  const CONTEXT = 4 * 2 * 12 * 16;
  // Timestep and guidance scale.
  const SMALL = 8;

  async function copied(device: 'webgpu' | 'cuda' | 'cpu', calls: number) {
    const dry = new DryRunPrograms({ device });
    const guided = denoiser('epsilon', { programs: dry, unconditional: context(9) });
    for (let i = 0; i < calls; i++) await guided.predict(normal(1), 500);
    await guided.pullback(normal(1), 500, normal(2));
    return [...dry.counts.copiedBytes.values()];
  }

  it('are the latents, on WebGPU; the prompts go there once, for the way there and back', async () => {
    expect(await copied('webgpu', 1)).toEqual([CONTEXT + SMALL + 2 * LATENT, SMALL + 3 * LATENT]);
    expect(await copied('webgpu', 5)).toEqual([CONTEXT + 5 * (SMALL + 2 * LATENT), SMALL + 3 * LATENT]);
  });

  it('are the prompts too on CUDA, and nothing on the processor', async () => {
    const each = CONTEXT + SMALL + 2 * LATENT;
    expect(await copied('cuda', 5)).toEqual([5 * each, each + LATENT]);
    expect(await copied('cpu', 5)).toEqual([]);
  });
});
