import { expect, it } from 'vitest';
import { dot, product } from '../numbers.ts';
import { Generator } from '../random/generator.ts';
import type { Sampler } from './sampler.ts';
import { ddim } from './samplers/ddim.ts';
import { edict } from './samplers/edict.ts';
import { sparseJacobian } from './sparse-jacobian.ts';
import { maxDifference, randomNormal, randomWeights, stableSchedule, tanhDenoiser } from './testing.ts';
import { runTrajectory } from './trajectory.ts';

const schedule = stableSchedule();
const noise = randomNormal(16, 5);
const cotangent = randomNormal(16, 6);
const random = new Generator(1);
const uniform = () => random.rand64([1])[0];

async function gradientOf(sampler: Sampler, share: number) {
  const denoiser = tanhDenoiser(randomWeights(16));
  const trajectory = await runTrajectory(
    'checkpointed',
    sampler,
    sparseJacobian(denoiser, share, uniform),
    noise,
  );
  const cotangents = trajectory.final.map(() => cotangent);
  return { gradient: await trajectory.pullback(cotangents), pullbacks: denoiser.evaluations.pullback };
}

it('is the true gradient at a share of 1, and on average below', async () => {
  const sampler = edict(schedule, 4);
  const { gradient: exact, pullbacks } = await gradientOf(sampler, 1);
  const draws = 1000;
  const mean = new Float64Array(exact.length);
  let pullbacksOfAll = 0;
  for (let draw = 0; draw < draws; draw++) {
    const one = await gradientOf(sampler, 0.5);
    pullbacksOfAll += one.pullbacks;
    one.gradient.forEach((value, i) => {
      mean[i] += value / draws;
    });
  }
  expect(pullbacksOfAll / draws / pullbacks).toBeCloseTo(0.5, 1);
  // One draw is off by about the length of the gradient, the mean of 1000 by a thirtieth of that.
  const single = (await gradientOf(sampler, 0.5)).gradient;
  expect(maxDifference(single, exact)).toBeGreaterThan(5 * maxDifference(mean, exact));
  const cosine = dot(mean, exact) / Math.hypot(...mean) / Math.hypot(...exact);
  expect(cosine).toBeGreaterThan(0.99);
  expect(Math.hypot(...mean) / Math.hypot(...exact)).toBeCloseTo(1, 1);
});

it('leaves how the steps scale the latent at a share of 0, and runs no pullback', async () => {
  const { gradient, pullbacks } = await gradientOf(ddim(schedule, 5), 0);
  const { levels } = schedule.stops(5);
  const scale = product(levels.slice(1).map((to, i) => schedule.step(levels[i], to).latent));
  expect(pullbacks).toBe(0);
  expect(
    maxDifference(
      gradient,
      cotangent.map((value) => scale * value),
    ),
  ).toBeLessThan(1e-12);
});

it('refuses a share that is none', () => {
  expect(() => sparseJacobian(tanhDenoiser(randomWeights(16)), 1.5, uniform)).toThrow(
    /between 0 and 1, got 1.5/,
  );
});
