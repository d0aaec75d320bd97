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
