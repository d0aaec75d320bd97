import { expect, it } from 'vitest';
import { Generator } from '../random/generator.ts';
import { lineSearchOptimiser } from './line-search.ts';
import type { LatentOptimiser } from './optimiser.ts';
import { norm } from './sphere.ts';
import { trustRegionOptimiser } from './trust-region.ts';

const size = 64;
const random = new Generator(4);
const start = Float64Array.from(random.randn64([size]));
const target = Float64Array.from(random.randn64([size]));

const angleTo = (latent: Float64Array, goal: Float64Array) =>
  Math.acos(latent.reduce((sum, value, i) => sum + value * goal[i], 0) / norm(latent) / norm(goal));
const angle = (latent: Float64Array) => angleTo(latent, target);
/** Falls evenly towards the target: the gradient of the angle, at right angles to the latent. */
function slope(latent: Float64Array): Float64Array {
  const [length, goal] = [norm(latent), norm(target)];
  const cosine = Math.cos(angle(latent));
  const sine = Math.sin(angle(latent));
  return latent.map((value, i) => -(target[i] / goal - (cosine * value) / length) / (length * sine));
}

/** The loop of optimise-noise.ts. Returns each latent that was evaluated, and whether its gradient was taken. */
function descend(optimiser: LatentOptimiser, loss: (latent: Float64Array) => number, rounds: number) {
  const tried: { latent: Float64Array; loss: number; gradient: boolean }[] = [];
  let latent: Float64Array = start;
  for (let round = 0; round < rounds; round++) {
    const value = loss(latent);
    const other = optimiser.reconsider?.(latent, value);
    tried.push({ latent, loss: value, gradient: !other });
    latent = other ?? optimiser.update(latent, slope(latent), value);
  }
  return tried;
}

const first = { learningRate: 0.02, momentum: 0 };

it.each([
  ['trust region', trustRegionOptimiser],
  ['line search', lineSearchOptimiser],
] as const)(
  '%s: begins with the learning rate, lengthens its steps where that pays, stays on the sphere',
  (_, create) => {
    const tried = descend(create(first), angle, 8);
    expect(angleTo(tried[1].latent, start)).toBeCloseTo(0.02, 9);
    for (const { latent } of tried) expect(norm(latent)).toBeCloseTo(norm(start), 9);
    const losses = tried.map(({ loss }) => loss);
    expect(losses).toEqual(losses.toSorted((a, b) => b - a));
    // Eight steps of 0.02 would make 0.14.
    expect(losses[0] - losses[7]).toBeGreaterThan(0.6);
  },
);

it('trust region: takes a step back that made it worse, at half the angle, without another gradient', () => {
  let calls = 0;
  // Good twice, then a wall for two tries.
  const loss = (latent: Float64Array) => (++calls === 3 || calls === 4 ? 9 : angle(latent));
  const tried = descend(trustRegionOptimiser(first), loss, 6);
  expect(tried.map(({ gradient }) => gradient)).toEqual([true, true, false, false, true, true]);
  const steps = [2, 3, 4].map((i) => angleTo(tried[i].latent, tried[1].latent));
  expect(steps[0]).toBeCloseTo(0.04, 9);
  expect(steps[1]).toBeCloseTo(0.02, 9);
  expect(steps[2]).toBeCloseTo(0.01, 9);
});

it('line search: goes on along a line while the loss falls, and back to its best after one probe too far', () => {
  // Lowest at 0.06 from the start: 0.02 and 0.04 are better, 0.08 is worse than 0.04 by a little.
  const valley = (latent: Float64Array) => Math.abs(angleTo(latent, start) - 0.055);
  const tried = descend(lineSearchOptimiser(first), valley, 5);
  expect(tried.map(({ gradient }) => gradient)).toEqual([true, false, false, false, true]);
  const angles = tried.map(({ latent }) => angleTo(latent, start));
  for (const [i, expected] of [0, 0.02, 0.04, 0.08, 0.04].entries())
    expect(angles[i]).toBeCloseTo(expected, 6);
});

it('line search: halves the angle where the first step is too long', () => {
  const valley = (latent: Float64Array) => Math.abs(angleTo(latent, start) - 0.006);
  const tried = descend(lineSearchOptimiser({ ...first, learningRate: 0.04 }), valley, 4);
  const angles = tried.map(({ latent }) => angleTo(latent, start));
  for (const [i, expected] of [0, 0.04, 0.02, 0.01].entries()) expect(angles[i]).toBeCloseTo(expected, 6);
  expect(tried[3].loss).toBeLessThan(tried[0].loss);
});
