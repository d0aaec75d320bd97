import {
  add,
  cast,
  constant,
  conv2d,
  exp,
  grad,
  graphCost,
  linear,
  matmul,
  relu,
  sum,
  trace,
} from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';

const weight = (...shape: number[]) =>
  constant({ dtype: 'float32', shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) });

describe('graphCost', () => {
  it('counts a multiplication with its addition as two operations', () => {
    const product = trace({ a: { shape: [5, 2, 3] }, b: { shape: [3, 7] } }, ({ a, b }) => ({
      y: matmul(a, b),
    }));
    expect(graphCost(product)).toMatchObject({ nodes: 1, flops: 2 * 5 * 2 * 3 * 7, movedBytes: 0 });
    const layer = trace({ x: { shape: [4, 6] } }, ({ x }) => ({ y: linear(x, weight(8, 6)) }));
    expect(graphCost(layer).flops).toBe(2 * 4 * 6 * 8);
    const convolution = trace({ x: { shape: [2, 3, 8, 8] } }, ({ x }) => ({
      y: conv2d(x, weight(5, 3, 3, 3), undefined, { padding: 1 }),
    }));
    expect(graphCost(convolution).flops).toBe(2 * 2 * 8 * 8 * 5 * 3 * 9);
  });

  it('a gradient to the input of a convolution costs as much as the convolution', () => {
    const both = trace({ x: { shape: [2, 3, 8, 8] } }, ({ x }) => {
      const y = conv2d(x, weight(5, 3, 3, 3), undefined, { padding: 1 });
      return { y, dx: grad(sum(exp(y)), [x])[0] };
    });
    expect(graphCost(both).flops).toBe(2 * (2 * 2 * 8 * 8 * 5 * 3 * 9));
  });

  it('holds what is alive at once, not the sum of all', () => {
    const chain = trace({ x: { shape: [1000] } }, ({ x }) => ({ y: exp(relu(exp(relu(exp(x))))) }));
    expect(graphCost(chain).activationBytes).toBe(3 * 4000);
    expect(graphCost(chain).movedBytes).toBe(10 * 4000);
  });

  it('knows which constants stay in their file and which come onto the heap', () => {
    const file = (byteOffset: number) => ({ path: 'weights', byteOffset, byteLength: 2 * 2 ** 20 });
    const source = (byteOffset: number) =>
      ({ dtype: 'float16', shape: [1024, 1024], file: file(byteOffset) }) as const;
    const graph = trace({ x: { shape: [1, 1024] } }, ({ x }) => {
      const [a, b] = [source(0), source(2 ** 21)].map((each) => cast(constant(each), 'float32'));
      return { y: add(linear(linear(x, a), b), weight(1024)) };
    });
    const lean = graphCost(graph, 'lean');
    expect([...lean.mapped.values()].reduce((p, q) => p + q)).toBe(2 * 2 ** 21);
    expect(lean.copiedBytes).toBe(4096);
    expect(graphCost(graph, 'fast').copiedBytes).toBe(4096 + 2 * 2 * 2 ** 22);
  });
});
