import { describe, expect, it } from 'vitest';
import { Generator } from '../random/generator.ts';
import { consistencyTerm, correlationTerm, frameCosine, type LikenessTerm } from './frame-likeness.ts';

const random = new Generator(5);
const noise = (length: number) => Float64Array.from(random.randn([length]));

/** The gradients of a term against central differences. */
function expectGradients(termOf: (a: Float64Array, b: Float64Array) => LikenessTerm): void {
  const pair = [noise(7), noise(7)] as const;
  const { gradients } = termOf(...pair);
  for (const which of [0, 1]) {
    for (let i = 0; i < 7; i++) {
      const at = (step: number) => {
        const moved = pair.map((one, k) =>
          one.map((value, j) => (k === which && j === i ? value + step : value)),
        );
        return termOf(moved[0], moved[1]).value;
      };
      expect(gradients[which][i]).toBeCloseTo((at(1e-5) - at(-1e-5)) / 2e-5, 7);
    }
  }
}

describe('consistency', () => {
  it('is how far the cosine lies below that of the plain clip, with its gradients', () => {
    const [u, v] = [Float64Array.of(3, 4), Float64Array.of(4, 3)];
    expect(frameCosine(u, v)).toBeCloseTo(24 / 25, 12);
    expect(consistencyTerm(u, v, 0.99).value).toBeCloseTo(0.03, 12);
    expectGradients((a, b) => consistencyTerm(a, b, 0.999));
  });

  it('asks for no more than the plain clip has', () => {
    const { value, gradients } = consistencyTerm(Float64Array.of(3, 4), Float64Array.of(4, 3), 0.95);
    expect([value, ...gradients[0], ...gradients[1]]).toEqual([0, 0, 0, 0, 0]);
  });

  it('is met by what is as like as in the plain clip', () => {
    const { value, gradients } = consistencyTerm(Float64Array.of(1, 0), Float64Array.of(0, 1), 0);
    expect([value, ...gradients[0], ...gradients[1]]).toEqual([0, 0, 0, 0, 0]);
  });

  it('of nothing has no gradient', () => {
    const { value, gradients } = consistencyTerm(new Float64Array(2), Float64Array.of(1, 0), 0.5);
    expect([value, ...gradients[0], ...gradients[1]].map(Math.abs)).toEqual([0.5, 0, 0, 0, 0]);
  });
});

describe('correlation', () => {
  it('is 0 of maps that differ in scale and level, 2 of opposites, with its gradients', () => {
    const map = noise(9);
    expect(
      correlationTerm(
        map,
        map.map((value) => 3 * value + 5),
      ).value,
    ).toBeCloseTo(0, 12);
    expect(
      correlationTerm(
        map,
        map.map((value) => 1 - value),
      ).value,
    ).toBeCloseTo(2, 12);
    expectGradients(correlationTerm);
  });

  it('of a level map is 1, without gradient', () => {
    const { value, gradients } = correlationTerm(new Float64Array(4).fill(2), noise(4));
    expect([value, ...gradients[0], ...gradients[1]].map(Math.abs)).toEqual([1, ...Array(8).fill(0)]);
  });
});
