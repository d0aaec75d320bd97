import { beforeAll, describe, expect, it } from 'vitest';
import { dot } from '../numbers.ts';
import { inpaintingBlend, mixedLatent, noisedChain } from './inpainting-blend.ts';
import { invertChain } from './inversion.ts';
import type { Latents, Sampler } from './sampler.ts';
import { ddim } from './samplers/ddim.ts';
import { edict } from './samplers/edict.ts';
import { heun } from './samplers/heun.ts';
import { maxDifference, randomNormal, randomWeights, stableSchedule, tanhDenoiser } from './testing.ts';
import { runTrajectory, sample } from './trajectory.ts';

const size = 32;
const schedule = stableSchedule();
const denoiser = tanhDenoiser(randomWeights(size), { float32: true });
const clean = randomNormal(size, 5);

describe('invertChain', () => {
  it.each([0, 4])(
    'finds the noise that a clean latent comes from, inverting down to step %i',
    async (startIndex) => {
      const sampler = edict(schedule, 9);
      const seen: number[] = [];
      const onStep = ({ step }: { step: number }) => void seen.push(step);
      const states = await invertChain(sampler, denoiser, [clean, clean], { startIndex, onStep });
      expect(seen).toEqual(Array.from({ length: 9 - startIndex }, (_, i) => 8 - i));
      expect(maxDifference(states[0][0], clean)).toBeGreaterThan(0.1);
      for (const final of await sample(sampler, denoiser, states[0], { startIndex })) {
        expect(maxDifference(final, clean)).toBeLessThan(1e-5);
      }
    },
  );

  it('is refused where there is no exact inverse, and stops when aborted', async () => {
    await expect(invertChain(ddim(schedule, 5), denoiser, [clean])).rejects.toThrow(/no exact inverse/);
    const signal = AbortSignal.abort(new Error('stopped'));
    const run = invertChain(edict(schedule, 5), denoiser, [clean, clean], { signal });
    await expect(run).rejects.toThrow('stopped');
  });
});

describe('inpaintingBlend', () => {
  const free = Uint8Array.from({ length: size }, (_, i) => (i % 3 === 0 ? 1 : 0));
  const isFree = (value: number, i: number) => (free[i] ? value : 0);
  const direction = randomNormal(size, 6).map(isFree);
  const startIndex = 2;
  let sampler: Sampler;
  let noise: Latents;
  beforeAll(async () => {
    const plain = edict(schedule, 9);
    const known = await invertChain(plain, denoiser, [clean, clean], { startIndex });
    sampler = inpaintingBlend(plain, free, known, startIndex);
    noise = known[0];
  });
  const moved = (distance: number) =>
    noise.map((latent) => latent.map((value, i) => value + distance * direction[i]));

  it('ends in the known latent wherever it is not free, and elsewhere for free', async () => {
    for (const final of await sample(sampler, denoiser, moved(0.5), { startIndex })) {
      expect(final.map((value, i) => (free[i] ? clean[i] : value))).toEqual(clean);
      expect(maxDifference(final, clean)).toBeGreaterThan(0.05);
    }
  });

  it('has the gradient that finite differences find, with both kinds of trajectory', async () => {
    // In float32 differences would be noise.
    const smooth = tanhDenoiser(randomWeights(size));
    const energy = async (distance: number) =>
      (await sample(sampler, smooth, moved(distance), { startIndex })).reduce(
        (sum, final) => sum + dot(final, final) / 2,
        0,
      );
    const slope = ((await energy(1e-4)) - (await energy(-1e-4))) / 2e-4;
    for (const kind of ['checkpointed', 'invertible'] as const) {
      const trajectory = await runTrajectory(kind, sampler, smooth, noise, { startIndex });
      const gradient = await trajectory.pullback(trajectory.final);
      expect(gradient.map((value, i) => (free[i] ? 0 : value))).toEqual(new Float64Array(size));
      expect(Math.abs(dot(gradient, direction) / slope - 1)).toBeLessThan(1e-5);
    }
  });

  it('leaves alone what is between the stages of a step, on the way back too', async () => {
    const plain = heun(schedule, 4);
    const start = randomNormal(size, 7);
    const chain = noisedChain(plain, clean, start, 1);
    const blend = inpaintingBlend(plain, free, chain, 1);
    const smooth = tanhDenoiser(randomWeights(size));
    const from = (distance: number) => [start.map((value, i) => value + distance * direction[i])];
    const energy = async (distance: number) => {
      const [final] = await sample(blend, smooth, from(distance), { startIndex: 1 });
      return dot(final, final) / 2;
    };
    const slope = ((await energy(1e-4)) - (await energy(-1e-4))) / 2e-4;
    const trajectory = await runTrajectory('checkpointed', blend, smooth, from(0), { startIndex: 1 });
    const gradient = await trajectory.pullback(trajectory.final);
    expect(Math.abs(dot(gradient, direction) / slope - 1)).toBeLessThan(1e-5);
  });

  it('wants one state for each stage', () => {
    expect(() => inpaintingBlend(edict(schedule, 9), free, [noise])).toThrow(/states, got 1/);
  });
});

it('the noised chain of an image is known where steps begin, and at the end', () => {
  const sampler = heun(schedule, 3);
  const noise = randomNormal(size, 8);
  const chain = noisedChain(sampler, clean, noise, 1);
  const stages = sampler.stages.filter(({ step }) => step >= 1);
  expect(chain).toHaveLength(stages.length + 1);
  const begins = stages.map(({ step }, k) => step !== stages[k - 1]?.step);
  expect(begins).toContain(false);
  for (const [k, { step }] of stages.entries()) {
    const { signal, noise: spread } = sampler.mixAt(step);
    const mixed = clean.map((value, i) => signal * value + spread * noise[i]);
    expect(chain[k]).toEqual(begins[k] ? [mixed] : undefined);
    expect(mixedLatent(sampler, clean, noise, step)).toEqual(mixed);
  }
  expect(chain.at(-1)).toEqual([clean]);
  expect(noisedChain(edict(schedule, 3), clean, noise, 0)[0]).toHaveLength(2);
});
