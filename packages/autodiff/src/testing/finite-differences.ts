/** @file Checks a gradient against differences of the op's own values along a random direction. */
import {
  add,
  compile,
  constant,
  grad,
  mul,
  type Shape,
  sizeOf,
  sum,
  type Tensor,
  trace,
} from '@sgool/autodiff';
import { expect } from 'vitest';

/** Numbers in [-1, 1) from a seed (mulberry32). */
export function numbers(count: number, seed: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * 2 - 1;
  });
}

/** Numbers no two of which are nearer than 1 / 4, for ops with kinks where operands are equal. */
export function apart(count: number, seed: number): Float32Array {
  const order = [...numbers(count, seed)].map((key, i) => [key, i] as const).sort((a, b) => a[0] - b[0]);
  const values = new Float32Array(count);
  order.forEach(([, i], rank) => {
    values[i] = (rank - count / 2) / 4;
  });
  return values;
}

export type Op = (inputs: Record<string, Tensor>) => Tensor;

export interface CheckOptions {
  readonly seed: number;
  /** Start values; numbers in [-1, 1) unless given. */
  readonly values?: (count: number, seed: number) => Float32Array;
  /** Checks the gradient of the gradient instead. */
  readonly twice?: boolean;
}

const STEP = 0.03;

/**
 * Compares the gradient of sum(op * cotangent) along a random direction with a five-point difference of step 0.03,
 * summed in float64. Its own error is of fourth order, and float32 rounding inside the op is divided by the step: about
 * 1e-5 of the summed magnitudes each. The tolerance of 5e-4 leaves room for ops with large derivatives and none for a
 * wrong factor.
 */
export async function expectGradient(
  shapes: Readonly<Record<string, Shape>>,
  op: Op,
  { seed, values = numbers, twice = false }: CheckOptions,
): Promise<void> {
  const names = Object.keys(shapes);
  const specs = Object.fromEntries(names.map((name) => [name, { shape: shapes[name] }]));
  const weights: Float32Array[] = [];
  const weighted = (t: Tensor) => {
    const data = numbers(t.size, seed + 90 + weights.length);
    weights.push(data);
    return sum(mul(t, constant({ dtype: 'float32', shape: t.shape, data })));
  };
  const graph = trace(specs, (given) => {
    const leaves = names.map((name) => given[name]);
    let checked = [op(given)];
    if (twice) {
      const [y] = checked as [Tensor];
      const data = numbers(y.size, seed + 80);
      checked = grad(sum(mul(y, constant({ dtype: 'float32', shape: y.shape, data }))), leaves);
    }
    const total = checked.map(weighted).reduce((a, b) => add(a, b));
    return Object.fromEntries([
      ...checked.map((t, i) => [`value${i}`, t]),
      ...grad(total, leaves).map((g, i) => [`grad:${names[i]}`, g]),
    ]) as Record<string, Tensor>;
  });

  const program = await compile(graph, { threads: 1 });
  try {
    const start = Object.fromEntries(names.map((n, i) => [n, values(sizeOf(shapes[n]), seed + i)]));
    const direction = names.map((n, i) => numbers(sizeOf(shapes[n]), seed + 50 + i));
    const at = async (step: number) => {
      const moved = names.map((n, i) => [n, start[n].map((x, k) => x + step * STEP * direction[i][k])]);
      const results = await program.run(Object.fromEntries(moved));
      let total = 0;
      let magnitude = 0;
      weights.forEach((w, i) => {
        const value = results[`value${i}`];
        for (let k = 0; k < w.length; k++) {
          total += w[k] * Number(value[k]);
          magnitude += Math.abs(w[k] * Number(value[k]));
        }
      });
      return { total, magnitude, results };
    };
    const [m2, m1, centre, p1, p2] = [await at(-2), await at(-1), await at(0), await at(1), await at(2)];
    const difference = (m2.total - 8 * m1.total + 8 * p1.total - p2.total) / (12 * STEP);
    let product = 0;
    let size = 0;
    names.forEach((n, i) => {
      const g = centre.results[`grad:${n}`];
      for (let k = 0; k < g.length; k++) {
        product += Number(g[k]) * direction[i][k];
        size += Math.abs(Number(g[k]) * direction[i][k]);
      }
    });
    const error = Math.abs(product - difference);
    const allowed = 5e-4 * Math.max(size, centre.magnitude, 0.01);
    expect(error, `gradient ${product}, difference ${difference}, seed ${seed}`).toBeLessThanOrEqual(allowed);
  } finally {
    await program.dispose();
  }
}
