/**
 * @file The nodes that replace others on GPUs. They are ordinary nodes, so they run on the CPU here and are
 * compared with the ops that they replace. `npm run test:webgpu` runs them on a GPU.
 */
import {
  abs,
  acos,
  asin,
  attention,
  constant,
  cos,
  embedding,
  frozen,
  type Graph,
  grad,
  logSoftmax,
  maxPool2d,
  sin,
  sum,
  type Tensor,
  trace,
} from '@sgool/autodiff';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { expect, it } from 'vitest';
import { encodeModel } from '../onnx/encode.ts';
import { numbers } from '../testing/finite-differences.ts';
import { runPasses } from './pipeline.ts';

/** The ops of the rewritten program, and its output `y` for an input `x`. */
async function lowered(graph: Graph, x: Float32Array | Int32Array, device: 'webgpu' | 'cuda' = 'webgpu') {
  const program = runPasses(graph, { device, precision: 'float32' });
  const { nodes } = program;
  const { bytes } = encodeModel(program, (file) => file);
  const session = await InferenceSession.create(bytes, { executionProviders: ['cpu'], logSeverityLevel: 4 });
  const { shape, dtype } = graph.inputs.get('x') as Tensor;
  const results = await session.run({
    'in:x': new OrtTensor(dtype as 'float32', x as Float32Array, [...shape]),
  });
  await session.release();
  return { nodes, ops: new Set(nodes.map(({ op }) => op)), y: results['out:y'].data as Float32Array };
}

function expectNear(got: Float32Array, want: ArrayLike<number>, tolerance: number): void {
  const worst = got.reduce((most, value, i) => Math.max(most, Math.abs(value - want[i])), 0);
  expect(worst).toBeLessThan(tolerance);
}

const ofOne = (shape: number[], op: (x: Tensor) => Tensor) =>
  trace({ x: { shape } }, ({ x }) => ({ y: op(x) }));

it.each<[string, (x: Tensor) => Tensor, (x: number) => number]>([
  ['sine', sin, Math.sin],
  ['cosine', cos, Math.cos],
])('the %s of every timestep, at every frequency', async (_, op, exact) => {
  const angles = Float32Array.from({ length: 4096 }, (_, i) => (i - 2048) / 2 + 0.37 * Math.sin(i));
  const { ops, y } = await lowered(ofOne([4096], op), angles);
  expect([...ops].filter((name) => /^(Sin|Cos)$/.test(name))).toEqual([]);
  expectNear(y, angles.map(exact), 1e-6);
});

it.each<[string, (x: Tensor) => Tensor, (x: number) => number, 'webgpu' | 'cuda']>([
  ['arc sine', asin, Math.asin, 'webgpu'],
  ['arc cosine', acos, Math.acos, 'webgpu'],
  ['arc sine', asin, Math.asin, 'cuda'],
])('the %s from one end to the other', async (_, op, exact, device) => {
  const x = Float32Array.from({ length: 2001 }, (_, i) => i / 1000 - 1);
  const { ops, y } = await lowered(ofOne([2001], op), x, device);
  expect([...ops].filter((name) => /^A(sin|cos)$/.test(name))).toEqual([]);
  expectNear(y, x.map(exact), 5e-7);
});

it('signs, without the op', async () => {
  const graph = ofOne([4], (x) => grad(sum(abs(x)), [x])[0]);
  expect([...(await lowered(graph, Float32Array.of(-2, 0, 3, -0.5))).y]).toEqual([-1, 0, 1, -1]);
});

it('a logarithm of a softmax, of large numbers too', async () => {
  const x = Float32Array.of(1000, 1001, 999, -1000, -1000, -1000);
  const total = Math.log(1 + Math.E + 1 / Math.E);
  const { y } = await lowered(
    ofOne([2, 3], (each) => logSoftmax(each)),
    x,
  );
  expectNear(y, [-total, 1 - total, -1 - total, ...new Array<number>(3).fill(-Math.log(3))], 1e-4);
});

it.each<[string, [queries: number, keys: number, heads: number], pieces: number]>([
  ['whole', [5, 7, 2], 1],
  ['two heads at a time', [1024, 8192, 3], 2],
  ['some queries at a time', [2100, 8192, 1], 2],
])('attention as products and softmax, %s', async (_, [queries, keys, heads], pieces) => {
  const data = numbers(heads * keys * 2, 5);
  const graph = trace({ x: { shape: [1, heads, queries, 2] } }, ({ x }) => {
    const k = constant({ dtype: 'float32', shape: [1, heads, keys, 2], data });
    return { y: attention(x, k, k, { pieceBytes: 1 }) };
  });
  const x = numbers(heads * queries * 2, 6);
  const { nodes, ops, y } = await lowered(graph, x);
  expect(ops).not.toContain('MultiHeadAttention');
  expect(nodes.filter(({ op }) => op === 'Softmax')).toHaveLength(pieces);
  for (const row of [0, queries - 1, heads * queries - 1]) {
    const [head, q] = [Math.floor(row / queries), x.subarray(2 * row, 2 * row + 2)];
    const own = data.subarray(2 * head * keys, 2 * (head + 1) * keys);
    let [total, first, second] = [0, 0, 0];
    for (let i = 0; i < own.length; i += 2) {
      const weight = Math.exp((q[0] * own[i] + q[1] * own[i + 1]) / Math.SQRT2);
      total += weight;
      first += weight * own[i];
      second += weight * own[i + 1];
    }
    expectNear(y.subarray(2 * row, 2 * row + 2), [first / total, second / total], 1e-5);
  }
});

it('a table of half precision is cast before its rows are taken', async () => {
  const table = {
    dtype: 'float16',
    shape: [3, 2],
    data: Uint16Array.of(0, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500),
  } as const;
  const graph = trace({ x: { shape: [2], dtype: 'int32' } }, ({ x }) => ({
    y: embedding(x, frozen(new Map([['table', table]]), 'test').get('table', [3, 2])),
  }));
  const { nodes, y } = await lowered(graph, Int32Array.of(2, 0));
  expect(nodes.filter(({ outputs }) => outputs.some(({ dtype }) => dtype === 'float16'))).toEqual([]);
  expect([...y]).toEqual([4, 5, 0, 1]);
});

it('MaxPool gives indices only where they are used', async () => {
  const { nodes, y } = await lowered(
    ofOne([1, 1, 2, 4], (x) => maxPool2d(x, { kernel: 2 })),
    Float32Array.of(1, 5, 2, 3, 4, 0, 8, 7),
  );
  expect(nodes.find(({ op }) => op === 'MaxPool')?.outputs).toHaveLength(1);
  expect([...y]).toEqual([5, 8]);
});
