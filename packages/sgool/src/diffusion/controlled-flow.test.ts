import { describe, expect, it } from 'vitest';
import { dot } from '../numbers.ts';
import { controlledSampler, invertControlled } from './controlled-flow.ts';
import type { Denoiser } from './denoiser.ts';
import { createFlowPath } from './flow-path.ts';
import { euler } from './samplers/euler.ts';
import { maxDifference, mixtureFlow, randomNormal } from './testing.ts';
import { runTrajectory, sample } from './trajectory.ts';

const SIZE = 16;
const path = createFlowPath({ shift: 3 }, 1024);
const stops = path.stops(5);
const network = mixtureFlow({ means: [3, 4, 5].map((seed) => randomNormal(SIZE, seed)), deviation: 0.5 });
const [clean, noise] = [randomNormal(SIZE, 1), randomNormal(SIZE, 2)];

/** The times at which a network is asked. */
function watched(): { denoiser: Denoiser; times: number[] } {
  const times: number[] = [];
  const predict: Denoiser['predict'] = (latent, time) => {
    times.push(time);
    return network.predict(latent, time);
  };
  return { denoiser: { ...network, predict }, times };
}

describe('the inversion', () => {
  it('asks the network at the level of its latent, cleanest first, and says what it has done', async () => {
    const { denoiser, times } = watched();
    const steps: number[] = [];
    const onStep = ({ step }: { step: number }) => void steps.push(step);
    const states = await invertControlled(
      path,
      stops,
      denoiser,
      clean,
      { latent: noise, share: 0.5 },
      { onStep },
    );
    expect(times).toEqual([0, ...stops.timesteps.slice(1).toReversed()]);
    expect(steps).toEqual([4, 3, 2, 1, 0]);
    expect(states.length).toBe(6);
    expect(states[5][0]).toEqual(clean);
  });

  it('is the formula of its first step', async () => {
    const share = 0.3;
    const states = await invertControlled(path, stops, network, clean, { latent: noise, share });
    const v = await network.predict(clean, 0);
    const h = stops.levels[4];
    const wanted = clean.map((x, i) => x + h * (v[i] + share * (noise[i] - x - v[i])));
    expect(maxDifference(states[4][0], wanted)).toBeLessThan(1e-12);
  });

  it('ends in the noise where it follows the straight line, and never asks the network', async () => {
    const { denoiser, times } = watched();
    const [[found]] = await invertControlled(path, stops, denoiser, clean, { latent: noise, share: 1 });
    expect(maxDifference(found, noise)).toBeLessThan(1e-12);
    expect(times).toEqual([]);
  });

  it('stops where a later step begins', async () => {
    const all = await invertControlled(path, stops, network, clean, { latent: noise, share: 0.5 });
    const later = await invertControlled(
      path,
      stops,
      network,
      clean,
      { latent: noise, share: 0.5 },
      { startIndex: 2 },
    );
    expect(later).toEqual(all.slice(2));
  });
});

describe('the sampler', () => {
  const home = (share: number) => ({ latent: clean, share });

  it("is Euler's where nothing is drawn", async () => {
    const [plain] = await sample(euler(path, 5), network, noise);
    for (const none of [
      controlledSampler(path, stops, home(0), [0, 5]),
      controlledSampler(path, stops, home(0.9), [2, 2]),
    ]) {
      const [found] = await sample(none, network, noise);
      expect(maxDifference(found, plain)).toBeLessThan(1e-12);
    }
  });

  it('ends in the clean latent where it follows the straight line', async () => {
    const [found] = await sample(controlledSampler(path, stops, home(1), [0, 5]), network, noise);
    expect(maxDifference(found, clean)).toBeLessThan(1e-12);
  });

  it('draws the steps of its interval, by its formula', async () => {
    const { levels, timesteps } = stops;
    let x = noise;
    for (let i = 0; i < 5; i++) {
      const v = await network.predict(x, timesteps[i]);
      const eta = i === 1 || i === 2 ? 0.7 : 0;
      const s = levels[i];
      x = x.map((value, k) => value + (levels[i + 1] - s) * (v[k] + eta * ((value - clean[k]) / s - v[k])));
    }
    const [found] = await sample(controlledSampler(path, stops, home(0.7), [1, 3]), network, noise);
    expect(maxDifference(found, x)).toBeLessThan(1e-12);
  });

  it('has the gradient of its result', async () => {
    const sampler = controlledSampler(path, stops, home(0.7), [0, 2]);
    const [along, cotangent] = [randomNormal(SIZE, 8), randomNormal(SIZE, 9)];
    const trajectory = await runTrajectory('checkpointed', sampler, network, noise);
    const gradient = await trajectory.pullback([cotangent]);
    const ends = [1e-4, -1e-4].map(async (by) => {
      const [end] = await sample(
        sampler,
        network,
        noise.map((value, i) => value + by * along[i]),
      );
      return dot(end, cotangent);
    });
    const [up, down] = await Promise.all(ends);
    expect(dot(gradient, along)).toBeCloseTo((up - down) / 2e-4, 5);
    expect(sampler.invertible).toBe(false);
  });
});
