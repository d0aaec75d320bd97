import { describe, expect, it } from 'vitest';
import { Generator } from '../random/generator.ts';
import { openSafetensors, readTypedTensor } from '../weights/formats/safetensors.ts';
import { adamOptimiser } from './adam.ts';
import { doodlOptimiser } from './doodl.ts';
import { normalisedOptimiser } from './normalised.ts';
import { signOptimiser } from './sign.ts';
import { norm } from './sphere.ts';

const file = await openSafetensors(
  new URL('../../../../fixtures/data/guidance.safetensors', import.meta.url).pathname,
);
const fixture = async (name: string) => (await readTypedTensor(file, name)).data as Float64Array;
const start = await fixture('doodl.start');
const size = start.length;
const rounds = 5;
const pairs = await fixture('doodl.gradients');
const noises = await fixture('doodl.noises');

/** Mean over the two copies, as the optimiser takes it. */
const gradientOf = (round: number) =>
  start.map((_, i) => (pairs[2 * round * size + i] + pairs[(2 * round + 1) * size + i]) / 2);

const defaults = { gradScale: 1.5, clipGradient: 1e-3, momentum: 0.9, nesterov: false, perturbation: 1e-4 };

describe('doodlOptimiser', () => {
  it.each([
    ['default', defaults, true],
    ['nesterov', { ...defaults, nesterov: true }, true],
    ['free', defaults, false],
  ] as const)("moves the noise as DOODL's published code does (%s)", async (name, settings, renormalise) => {
    const expected = await fixture(`doodl.${name}`);
    let drawn = 0;
    const optimiser = doodlOptimiser(settings, {
      norm: renormalise ? norm(start) : undefined,
      noise: (count) => noises.subarray(drawn, (drawn += count)),
    });
    let latent = start;
    for (let round = 0; round < rounds; round++) {
      latent = optimiser.update(latent, gradientOf(round), 0);
      latent.forEach((value, i) => {
        expect(value).toBeCloseTo(expected[round * size + i], 13);
      });
    }
  });
});

describe.each([
  ['normalised', normalisedOptimiser, 0.02],
  ['adam', adamOptimiser, 0.02],
  ['sign', signOptimiser, 0.02],
] as const)('%s', (_, create, learningRate) => {
  const target = Float64Array.from(new Generator(3).randn64([size]));
  const aligned = (latent: Float64Array) =>
    latent.reduce((sum, value, i) => sum + value * target[i], 0) / (norm(latent) * norm(target));

  it('turns the noise towards the target, at constant length', () => {
    const length = norm(start);
    const optimiser = create(
      { learningRate, momentum: 0.5, perturbation: 0 },
      { norm: length, noise: (count) => new Float64Array(count) },
    );
    let latent = start;
    for (let round = 0; round < 20; round++) {
      const next = optimiser.update(
        latent,
        target.map((value) => -value * 1e-7),
        0,
      );
      expect(aligned(next)).toBeGreaterThan(aligned(latent));
      expect(norm(next)).toBeCloseTo(length, 9);
      latent = next;
    }
  });
});

it('turns by the learning rate exactly, whatever the size of the gradient', () => {
  const optimiser = normalisedOptimiser(
    { learningRate: 0.05, momentum: 0.5, perturbation: 0 },
    { norm: norm(start), noise: (count) => new Float64Array(count) },
  );
  const next = optimiser.update(
    start,
    gradientOf(0).map((value) => value * 1e6),
    0,
  );
  const cosine = next.reduce((sum, value, i) => sum + value * start[i], 0) / norm(start) ** 2;
  expect(Math.acos(cosine)).toBeCloseTo(0.05, 9);
});

describe('two steps that can be checked by hand', () => {
  const settings = { learningRate: 0.1, momentum: 0.5, perturbation: 0 };
  const none = { noise: (count: number) => new Float64Array(count) };

  it('adam divides the corrected mean by the root of the corrected mean square', () => {
    const optimiser = adamOptimiser(settings, none);
    // m = 1.5, corrected 3; v = 0.009, corrected 9: a step of 0.1 * 3 / 3.
    const first = optimiser.update(Float64Array.of(1), Float64Array.of(3), 0);
    expect(first[0]).toBeCloseTo(0.9, 10);
    // m = 1.25, corrected 1.25 / 0.75; v = 0.009991, corrected by 1 - 0.999 ** 2.
    const second = optimiser.update(first, Float64Array.of(1), 0);
    expect(second[0]).toBeCloseTo(0.9 - (0.1 * (1.25 / 0.75)) / Math.sqrt(0.009991 / 0.001999), 10);
  });

  it('sign takes the sign of the running mean', () => {
    const optimiser = signOptimiser(settings, none);
    const first = optimiser.update(Float64Array.of(1, 1), Float64Array.of(3, -1), 0);
    expect([...first]).toEqual([0.9, 1.1]);
    // Means: 0.5 * 3 - 0.5 * 1 = 1, and 0.5 * -1 + 0.5 * 4 = 1.5.
    const [a, b] = optimiser.update(first, Float64Array.of(-1, 4), 0);
    expect(a).toBeCloseTo(0.8, 10);
    expect(b).toBeCloseTo(1, 10);
  });

  it('normalised turns the latent by the learning rate in radians, away from the tangent gradient', () => {
    const optimiser = normalisedOptimiser(settings, none);
    // Of the gradient (5, 2) only (0, 2) is tangent at (2, 0).
    const [a, b] = optimiser.update(Float64Array.of(2, 0), Float64Array.of(5, 2), 0);
    expect(a).toBeCloseTo(2 * Math.cos(0.1), 10);
    expect(b).toBeCloseTo(-2 * Math.sin(0.1), 10);
  });
});
