import { beforeAll, describe, expect, it } from 'vitest';
import { dot } from '../numbers.ts';
import { inpaintingBlend } from './inpainting-blend.ts';
import { invertChain } from './inversion.ts';
import type { Latents, Sampler } from './sampler.ts';
import { ddim } from './samplers/ddim.ts';
import { edict } from './samplers/edict.ts';
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

  it('wants one state for each stage', () => {
    expect(() => inpaintingBlend(edict(schedule, 9), free, [noise])).toThrow(/states, got 1/);
  });
});
