import { describe, expect, it } from 'vitest';
import { mean } from '../numbers.ts';
import { Generator } from '../random/generator.ts';
import { noiseTests } from '../random/noise-tests.ts';
import { pcnLangevinOptimiser } from './pcn-langevin.ts';
import { renoOptimiser } from './reno.ts';
import { norm } from './sphere.ts';

const none = { noise: (count: number) => new Float64Array(count) };

describe('reno', () => {
  const settings = { learningRate: 5, momentum: 0.9, nesterov: true, clipNorm: 0.1, normWeight: 0.01 };

  it('takes two steps that can be checked by hand', () => {
    const optimiser = renoOptimiser({ ...settings, clipNorm: 100, normWeight: 0.5 });
    // ‖z‖² = 25, d = 2: the pull is 0.5·(1 - 1/25) = 0.48 of z.
    const first = optimiser.update(Float64Array.of(3, 4), Float64Array.of(1, 0), 0);
    const g = [1 + 0.48 * 3, 0.48 * 4];
    expect([...first]).toEqual(
      [3 - 5 * 1.9 * g[0], 4 - 5 * 1.9 * g[1]].map((value) => expect.closeTo(value, 10)),
    );
    const h = [2, 3].map((value, i) => value + 0.5 * (1 - 1 / norm(first) ** 2) * first[i]);
    const v = h.map((value, i) => 0.9 * g[i] + value);
    const second = optimiser.update(first, Float64Array.of(2, 3), 0);
    expect([...second]).toEqual(h.map((value, i) => expect.closeTo(first[i] - 5 * (value + 0.9 * v[i]), 8)));
    const plain = renoOptimiser({ ...settings, nesterov: false, clipNorm: 100, normWeight: 0 });
    plain.update(Float64Array.of(3, 4), Float64Array.of(1, 0), 0);
    const next = plain.update(Float64Array.of(3, 4), Float64Array.of(1, 1), 0);
    expect([...next]).toEqual([3 - 5 * 1.9, 4 - 5].map((value) => expect.closeTo(value, 10)));
  });

  it('clips the whole gradient by its length, and only a longer one', () => {
    const step = (scale: number) => {
      const optimiser = renoOptimiser({ ...settings, momentum: 0, normWeight: 0 });
      const moved = optimiser.update(Float64Array.of(1, 1), Float64Array.of(3 * scale, 4 * scale), 0);
      return moved.map((value) => (1 - value) / 5);
    };
    expect([...step(10)]).toEqual([expect.closeTo(0.06, 12), expect.closeTo(0.08, 12)]);
    expect([...step(0.001)]).toEqual([expect.closeTo(0.003, 12), expect.closeTo(0.004, 12)]);
  });

  it('pulls the norm to that of noise', () => {
    for (const factor of [0.7, 1.4]) {
      const optimiser = renoOptimiser({ ...settings, clipNorm: 1e6, momentum: 0 });
      let latent = Float64Array.from(new Generator(1).randn([400]), (value) => factor * value);
      for (let i = 0; i < 300; i++)
        latent = optimiser.update(latent, new Float64Array(400), 0) as typeof latent;
      expect(norm(latent)).toBeCloseTo(Math.sqrt(399), 3);
    }
  });
});

describe('pcn-langevin', () => {
  it('proposes by the published step', () => {
    const optimiser = pcnLangevinOptimiser({ learningRate: 0.5, temperature: 0.1 }, none);
    const next = optimiser.update(Float64Array.of(2), Float64Array.of(0.3), 0);
    const kept = 0.875 / 1.125;
    expect(kept).toBeCloseTo(0.778, 3);
    expect(next[0]).toBeCloseTo(kept * 2 + Math.sqrt(1 - kept ** 2) * (Math.sqrt(0.5) / 2) * -3, 12);
  });

  it('keeps noise as it is where there is no loss, and takes every proposal', () => {
    const generator = new Generator(2);
    const shape = [4, 16, 16];
    const optimiser = pcnLangevinOptimiser(
      { learningRate: 0.5, temperature: 1 },
      { noise: (count) => generator.randn([count]) },
    );
    let latent = Float64Array.from(generator.randn(shape));
    const tests: number[] = [];
    for (let i = 0; i < 200; i++) {
      const before = latent;
      latent = optimiser.update(latent, new Float64Array(latent.length), 0) as typeof latent;
      expect(optimiser.state()).toEqual({ current: expect.objectContaining({ latent: before }) });
      tests.push(noiseTests(latent, shape).norm);
    }
    expect(Math.abs(mean(tests))).toBeLessThan(1);
    expect(Math.max(...tests.map(Math.abs))).toBeLessThan(4.5);
  });

  it('samples the density that the loss asks for', () => {
    // Of N(0, 1)·exp(-z²/(2·0.5)), whose variance is 1/(1 + 2), and of a shift: loss -z, whose mean is 1/temperature.
    const generator = new Generator(3);
    const sampled = (loss: (z: number) => number, slope: (z: number) => number, temperature: number) => {
      const optimiser = pcnLangevinOptimiser(
        { learningRate: 1.5, temperature },
        { noise: (count) => generator.randn([count]) },
      );
      let latent: Float64Array = Float64Array.of(0.1);
      const values: number[] = [];
      for (let i = 0; i < 20_000; i++) {
        latent = optimiser.update(latent, Float64Array.of(slope(latent[0])), loss(latent[0]));
        values.push((optimiser.state() as { current: { latent: Float64Array } }).current.latent[0]);
      }
      return values;
    };
    const narrow = sampled(
      (z) => z ** 2 / 2,
      (z) => z,
      0.5,
    );
    expect(mean(narrow)).toBeCloseTo(0, 1);
    expect(Math.abs(mean(narrow.map((z) => z ** 2)) - 1 / 3)).toBeLessThan(0.02);
    const shifted = sampled(
      (z) => -z,
      () => -1,
      0.8,
    );
    expect(Math.abs(mean(shifted) - 1 / 0.8)).toBeLessThan(0.05);
    expect(Math.abs(mean(shifted.map((z) => (z - 1 / 0.8) ** 2)) - 1)).toBeLessThan(0.08);
  });

  it('goes back where a proposal is refused', () => {
    const optimiser = pcnLangevinOptimiser({ learningRate: 0.5, temperature: 1e-3 }, none);
    const first = optimiser.update(Float64Array.of(1, 1), Float64Array.of(0, 0), 0);
    const after = optimiser.update(Float64Array.of(5, 5), Float64Array.of(0, 0), 1);
    expect(after).toEqual(first);
  });
});
