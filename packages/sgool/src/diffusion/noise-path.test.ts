/**
 * @file Samplers depend on nothing but the path: a rectified flow goes through the same code as DDPM's schedule.
 *
 * The flow is that of Gaussian data, whose velocity and whose solution are known in closed form.
 */
import { describe, expect, it } from 'vitest';
import { dot } from '../numbers.ts';
import type { Denoiser } from './denoiser.ts';
import { invertChain } from './inversion.ts';
import type { NoisePath } from './noise-path.ts';
import type { Sampler } from './sampler.ts';
import { ddim } from './samplers/ddim.ts';
import { dpmSolver } from './samplers/dpm-solver.ts';
import { edict } from './samplers/edict.ts';
import { euler, eulerAncestral } from './samplers/euler.ts';
import { pndm } from './samplers/pndm.ts';
import {
  composedStep,
  rectifiedFlow as flow,
  maxDifference,
  randomNormal,
  stableSchedule,
} from './testing.ts';
import { runTrajectory, sample } from './trajectory.ts';

const size = 12;
const mean = randomNormal(size, 1);
/** Standard deviations of the data along axes that are rotated in pairs, so that elements are correlated. */
const deviation = Float64Array.from({ length: size }, (_, i) => 0.3 + 0.1 * i);

/** Rotates elements in pairs by an angle. */
function rotated(values: Float64Array, angle: number): Float64Array {
  const [c, s] = [Math.cos(angle), Math.sin(angle)];
  return values.map((value, i) =>
    i % 2 === 0 ? c * value - s * values[i + 1] : s * values[i - 1] + c * value,
  );
}

/** The velocity of data N(mean, R·diag(deviation²)·Rᵀ), E[ε - x0 | z]. It is linear in z: `slope·(z - (1-s)·mean) - mean`. */
function gaussianFlow(): Denoiser {
  const evaluations = { forward: 0, pullback: 0 };
  const sloped = (values: Float64Array, s: number) => {
    const along = rotated(values, -0.7).map((value, i) => {
      const variance = (1 - s) ** 2 * deviation[i] ** 2 + s ** 2;
      return ((s - (1 - s) * deviation[i] ** 2) / variance) * value;
    });
    return rotated(along, 0.7);
  };
  return {
    latentShape: [size],
    predicts: 'velocity',
    evaluations,
    async predict(latent, timestep) {
      evaluations.forward++;
      const s = timestep / 1000;
      const centred = latent.map((value, i) => value - (1 - s) * mean[i]);
      return sloped(centred, s).map((value, i) => value - mean[i]);
    },
    async pullback(_, timestep, cotangent) {
      evaluations.pullback++;
      return sloped(cotangent, timestep / 1000); // symmetric
    },
  };
}

const denoiser = gaussianFlow();
const noise = randomNormal(size, 2);
const direction = randomNormal(size, 3);
/** Where the flow takes the noise: x0 = mean + R·diag(deviation)·Rᵀ·ε. */
const solution = (start: Float64Array) =>
  rotated(
    rotated(start, -0.7).map((value, i) => deviation[i] * value),
    0.7,
  ).map((value, i) => mean[i] + value);

const errorOf = async (sampler: Sampler) =>
  Math.max(...(await sample(sampler, denoiser, noise)).map((final) => maxDifference(final, solution(noise))));

it('PNDM goes straight to the clean latent where the velocity is the same everywhere', async () => {
  const [start, velocity] = [randomNormal(8, 3), randomNormal(8, 4)];
  const constant: Denoiser = {
    ...{ latentShape: [8], predicts: 'velocity', evaluations: { forward: 0, pullback: 0 } },
    predict: async () => velocity,
    pullback: async () => new Float64Array(8),
  };
  const [final] = await sample(pndm(flow, 6), constant, start);
  expect(
    maxDifference(
      final,
      start.map((value, i) => value - velocity[i]),
    ),
  ).toBeLessThan(1e-5);
});

describe('a rectified flow', () => {
  it('starts from pure noise, where there is no signal', async () => {
    expect(flow.signal(flow.stops(4).levels[0])).toBe(0);
    // At s = 1 the best prediction of the image is the mean of the data, and one step goes there.
    const [final] = await sample(ddim(flow, 1), denoiser, noise);
    expect(maxDifference(final, mean)).toBeLessThan(1e-14);
  });

  it('is solved by DDIM and Euler, which are one method here, at first order', async () => {
    const [finals, same] = [ddim, euler].map((make) => sample(make(flow, 8), denoiser, noise));
    expect(await finals).toEqual(await same);
    const errors = [await errorOf(ddim(flow, 50)), await errorOf(ddim(flow, 100))];
    expect(errors[0]).toBeLessThan(0.1);
    expect(errors[0] / errors[1]).toBeCloseTo(2, 0);
  });

  it.each([
    ['pndm', pndm(flow, 100)],
    ['dpm-solver', dpmSolver(flow, 100)],
    ['edict', edict(flow, 100, { mixingWeight: 0.97 })],
  ])('is solved by %s too', async (_, sampler) => {
    expect(await errorOf(sampler)).toBeLessThan(0.1);
  });

  it('has ancestral steps, which go to the predicted image and add fresh noise', async () => {
    const zero = () => new Float64Array(size);
    const sampler = eulerAncestral(flow, 2, { freshNoise: zero });
    const half = composedStep(flow, 1, 0.5, 1);
    // From pure noise nothing of the latent's noise is kept.
    expect([half.latent, half.freshNoise]).toEqual([0.5, 0.5]);
    const velocity = await denoiser.predict(noise, 1000);
    const middle = noise.map((value, i) => half.latent * value + half.prediction * velocity[i]);
    const [expected] = await sample(ddim(flow, 2), denoiser, middle, { startIndex: 1 });
    expect(maxDifference((await sample(sampler, denoiser, noise))[0], expected)).toBeLessThan(1e-14);
  });

  it.each([
    ['checkpointed', ddim(flow, 6)],
    ['checkpointed', pndm(flow, 6)],
    ['checkpointed', dpmSolver(flow, 6)],
    ['checkpointed', edict(flow, 6)],
    ['invertible', edict(flow, 6)],
  ] as const)('has the gradient that finite differences find: %s', async (kind, sampler) => {
    const energy = async (distance: number) => {
      const moved = noise.map((value, i) => value + distance * direction[i]);
      return (await sample(sampler, denoiser, moved)).reduce(
        (total, final) => total + dot(final, final) / 2,
        0,
      );
    };
    const slope = ((await energy(1e-4)) - (await energy(-1e-4))) / 2e-4;
    const trajectory = await runTrajectory(kind, sampler, denoiser, noise);
    const gradient = await trajectory.pullback(trajectory.final);
    expect(dot(gradient, direction) / slope).toBeCloseTo(1, 6);
  });

  it('has the gradient of its solution, with enough steps', async () => {
    const trajectory = await runTrajectory('checkpointed', ddim(flow, 400), denoiser, noise);
    const gradient = await trajectory.pullback([direction]);
    const exact = solution(direction).map((value, i) => value - mean[i]); // the map's matrix is symmetric
    expect(maxDifference(gradient, exact)).toBeLessThan(0.02);
  });

  it('is inverted by EDICT to the last bit', async () => {
    const sampler = edict(flow, 50);
    expect(sampler.invertible).toBe(true);
    const [found] = await invertChain(sampler, denoiser, await sample(sampler, denoiser, noise));
    expect(found).toEqual(sampler.initial(noise));
    expect(maxDifference(found[0], noise)).toBeLessThan(1e-9);
  });
});

describe('the step of a path', () => {
  const paths: [string, NoisePath, number, number][] = [
    ['variance-preserving', stableSchedule(), 0.2, 0.6],
    ['rectified flow', flow, 0.9, 0.6],
  ];
  it.each(paths)('puts the predicted clean latent and noise together again: %s', (_, path, from, to) => {
    for (const eta of [0, 0.5, 1]) {
      const [given, composed] = [path.step(from, to, eta), composedStep(path, from, to, eta)];
      for (const key of ['latent', 'prediction', 'freshNoise'] as const) {
        expect(given[key]).toBeCloseTo(composed[key], 13);
      }
    }
  });

  it.each(paths)('has a clean latent and a noise that add up to the latent: %s', (_, path, level) => {
    const [clean, noisePart] = [path.cleanLatent(level), path.noisePart(level)];
    const [signal, spread] = [path.signal(level), path.noise(level)];
    expect(signal * clean.latent + spread * noisePart.latent).toBeCloseTo(1, 14);
    expect(signal * clean.prediction + spread * noisePart.prediction).toBeCloseTo(0, 14);
  });
});
