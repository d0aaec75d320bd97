/** @file Ops that keep little of large tensors for the backward pass: the same numbers, from less memory. */
import {
  add,
  compile,
  constant,
  geglu,
  gelu,
  grad,
  gradient,
  graphCost,
  groupNorm,
  groupNormSilu,
  mul,
  silu,
  square,
  sum,
  type Tensor,
  trace,
} from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import { expectGradient, numbers } from '../testing/finite-differences.ts';

/** 4 MiB, from where on it matters. */
const LARGE = [1, 4, 512, 512];
const SMALL = [1, 4, 3, 5];

const held = (seed: number) => constant({ dtype: 'float32', shape: [4], data: numbers(4, seed) });
const shifted = (x: Tensor) => add(mul(x, 1.3), 0.2);

const OPS: Record<string, { ours: (x: Tensor) => Tensor; steps: (x: Tensor) => Tensor }> = {
  groupNormSilu: {
    ours: (x) => groupNormSilu(x, 2, held(1), held(2)),
    steps: (x) => silu(groupNorm(x, 2, held(1), held(2))),
  },
  geglu: { ours: (x) => geglu(x, shifted(x)), steps: (x) => mul(x, gelu(shifted(x))) },
};

/** Euclidean, over the length of the second. */
function distance(a: Float32Array, b: Float32Array): number {
  const squares = b.reduce((total, value) => total + value ** 2, 0);
  return Math.sqrt(a.reduce((total, value, i) => total + (value - b[i]) ** 2, 0) / squares);
}

/** Three times one after the other, with the gradient of the squares and the gradient of that gradient's squares. */
const chain = (op: (x: Tensor) => Tensor, shape: readonly number[]) =>
  trace({ x: { shape } }, ({ x }) => {
    const y = op(op(op(x)));
    const [dx] = grad(sum(square(y)), [x]) as [Tensor];
    return { y, dx, ddx: grad(sum(square(dx)), [x])[0] };
  });

describe.each(Object.entries(OPS))('%s', (_, { ours, steps }) => {
  it('has the values and derivatives of its steps', async () => {
    const x = numbers(2 ** 20, 3);
    const [a, b] = await Promise.all(
      [ours, steps].map(async (op) => {
        const program = await compile(chain(op, LARGE));
        const results = await program.run({ x });
        await program.dispose();
        return results as Record<string, Float32Array>;
      }),
    );
    for (const name of ['y', 'dx', 'ddx']) expect(distance(a[name], b[name]), name).toBeLessThan(1e-5);
  });

  it('has nearly the same in half precision', async () => {
    const x = numbers(2 ** 20, 3);
    const graph = trace({ x: { shape: LARGE } }, ({ x }) => ({ y: ours(ours(x)) }));
    const backward = gradient(graph, { of: 'y', wrt: ['x'], cotangents: 'dy', keep: ['y'] });
    const [a, b] = await Promise.all(
      (['float16', 'float32'] as const).map(async (precision) => {
        const program = await compile(backward, { precision });
        const results = await program.run({ x, dy: numbers(2 ** 20, 4) });
        await program.dispose();
        return results as Record<string, Float32Array>;
      }),
    );
    for (const name of ['y', 'grad:x']) expect(distance(a[name], b[name]), name).toBeLessThan(3e-3);
  });

  it('keeps less of large tensors', () => {
    const bytes = (op: (x: Tensor) => Tensor) => {
      const graph = trace({ x: { shape: LARGE } }, ({ x }) => {
        let y = x;
        for (let i = 0; i < 24; i++) y = op(y);
        return { dx: grad(sum(square(y)), [x])[0] };
      });
      return graphCost(graph).activationBytes;
    };
    // One of three and two of three, beside what is alive for a moment only.
    expect(bytes(ours) / bytes(steps)).toBeLessThan(0.75);
  });

  it('leaves small ones as they are', () => {
    const ops = (op: (x: Tensor) => Tensor) => chain(op, SMALL).trace.nodes.map((node) => node.op);
    expect(ops(ours)).toEqual(ops(steps));
  });
});

it('weights of a norm that are trained have their gradients', async () => {
  const shapes = { x: [2, 4, 3, 3], w: [4], b: [4] };
  await expectGradient(shapes, ({ x, w, b }) => groupNormSilu(x, 2, w, b, 0.1), { seed: 6 });
});

it('operands that do not fit are refused', () => {
  const v = { shape: [3] };
  expect(() => trace({ x: { shape: LARGE }, v }, ({ x, v }) => ({ y: groupNormSilu(x, 2, v, v) }))).toThrow(
    'groupNorm: weight and bias must be [4], got [3] and [3]',
  );
  expect(() => trace({ x: { shape: SMALL }, v }, ({ x, v }) => ({ y: geglu(x, v) }))).toThrow(
    'geglu: value and gate must have one shape, got [1,4,3,5] and [3]',
  );
});
