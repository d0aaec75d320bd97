/** @file Half precision: what is computed in it, how accurate it is, and what happens at its limits. */
import {
  type Arrays,
  add,
  compile,
  constant,
  conv2d,
  type Graph,
  gradient,
  groupNorm,
  linear,
  mul,
  OverflowError,
  type Precision,
  silu,
  softmax,
  sub,
  sum,
  trace,
} from '@sgool/autodiff';
import { expect, it } from 'vitest';
import { LossScaler } from '../runtime/loss-scaler.ts';
import { numbers } from '../testing/finite-differences.ts';
import { runPasses } from './pipeline.ts';

const weight = (shape: number[], seed: number, scale = 0.3) =>
  constant({
    dtype: 'float32',
    shape,
    data: numbers(
      shape.reduce((a, b) => a * b),
      seed,
    ).map((value) => scale * value),
  });

const X = { x: { shape: [1, 4, 8, 8] } };

/** A block as networks are made of: convolution, norm, activation, another convolution on top of a shortcut. */
const block = (scale = 0.3) =>
  trace(X, ({ x }) => {
    const inner = conv2d(x, weight([8, 4, 3, 3], 1, scale), undefined, { padding: 1 });
    const normed = silu(groupNorm(inner, 2, weight([8], 2), weight([8], 3)));
    return { y: add(conv2d(normed, weight([8, 8, 3, 3], 4), undefined, { padding: 1 }), inner) };
  });

const pullback = (scale?: number) => gradient(block(scale), { of: 'y', wrt: ['x'], cotangents: 'dy' });

async function run(graph: Graph, inputs: Arrays, precision: Precision) {
  const program = await compile(graph, { precision, threads: 1 });
  try {
    return (await program.run(inputs)) as Record<string, Float32Array>;
  } finally {
    await program.dispose();
  }
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (u: Float32Array, v: Float32Array) => u.reduce((total, value, i) => total + value * v[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

const x = numbers(256, 7);

it('products, activations and what moves are float16; norms, softmax, sums and the ends are float32', () => {
  const graph = trace(X, ({ x }) => {
    const inner = silu(conv2d(x, weight([8, 4, 3, 3], 1)));
    const normed = groupNorm(inner, 2, weight([8], 2), weight([8], 3));
    return { p: softmax(normed), total: sum(normed), plain: mul(x, 2) };
  });
  const types = new Map<string, Set<string>>();
  for (const { op, outputs } of runPasses(graph, { device: 'webgpu', precision: 'float16' }).nodes) {
    if (op !== 'Cast') types.set(op, (types.get(op) ?? new Set()).add(outputs[0].dtype));
  }
  const typesOf = (op: string) => [...(types.get(op) ?? [])];
  for (const op of ['Conv', 'Sigmoid', 'Add']) expect([op, ...typesOf(op)]).toEqual([op, 'float16']);
  for (const op of ['LayerNormalization', 'Softmax', 'ReduceSum']) {
    expect([op, ...typesOf(op)]).toEqual([op, 'float32']);
  }
  // The activation, and the multiple of the input that no product touched.
  expect(typesOf('Mul').sort()).toEqual(['float16', 'float32']);
});

it('numbers really are rounded to float16', async () => {
  const identity = trace({ x: { shape: [1, 1] } }, ({ x }) => ({
    y: linear(x, constant({ dtype: 'float32', shape: [1, 1], data: Float32Array.of(1) })),
  }));
  const { y } = await run(identity, { x: Float32Array.of(1 + 2 ** -12) }, 'float16');
  expect([...y]).toEqual([1]);
});

it('a block and its gradient come close to float32, however small the cotangent', async () => {
  const dy = numbers(512, 9);
  const whole = await run(pullback(), { x, dy }, 'float32');
  for (const size of [1, 1e-12, 1e12]) {
    const half = await run(pullback(), { x, dy: dy.map((value) => value * size) }, 'float16');
    expect(cosine(half['grad:x'], whole['grad:x'])).toBeGreaterThan(0.9999);
    const ratio = Math.hypot(...half['grad:x']) / Math.hypot(...whole['grad:x']) / size;
    expect(ratio).toBeCloseTo(1, 2);
  }
});

it('a loss has its gradient scaled too', async () => {
  const loss = trace(X, ({ x }) => ({ loss: mul(sum(silu(conv2d(x, weight([8, 4, 3, 3], 1)))), 1e-6) }));
  const graph = gradient(loss, { of: 'loss', wrt: ['x'], keep: ['loss'] });
  const [half, whole] = [await run(graph, { x }, 'float16'), await run(graph, { x }, 'float32')];
  expect(half.loss[0] / whole.loss[0]).toBeCloseTo(1, 2);
  expect(cosine(half['grad:x'], whole['grad:x'])).toBeGreaterThan(0.9999);
});

/** The scales that a run goes through where all above `limit` overflow. */
async function scalesOf(runs: LossScaler, limit: number, largest = 1): Promise<number[]> {
  const scales: number[] = [];
  await runs.run({ dy: Float32Array.of(0, -largest) }, async ({ 'cotangent scale': scale }) => {
    scales.push(scale[0] as number);
    return { 'grad:x': Float32Array.of(scales[scales.length - 1] > limit ? Number.NaN : 1) };
  });
  return scales;
}

it('a gradient that overflows is tried again with smaller scales, which are kept', async () => {
  const runs = new LossScaler(pullback());
  expect(await scalesOf(runs, 4)).toEqual([2 ** 10, 2 ** 6, 2 ** 2]);
  expect(await scalesOf(runs, 4)).toEqual([2 ** 2]);
  // The cotangent determines the scale.
  expect(await scalesOf(runs, Infinity, 2 ** -20)).toEqual([2 ** 22]);
  expect(await scalesOf(runs, Infinity, 2 ** -140)).toEqual([2 ** 102]);
  await expect(scalesOf(runs, 0)).rejects.toThrow('beyond 65504 in grad:x with 4 scales of the gradient');
});

it('a gradient that grows a thousandfold in the backward pass is still right', async () => {
  const graph = pullback(3000);
  const dy = numbers(512, 9);
  const small = x.map((value) => value * 1e-3);
  const half = await run(graph, { x: small, dy }, 'float16');
  const whole = await run(graph, { x: small, dy }, 'float32');
  expect(1024 * Math.max(...whole['grad:x'])).toBeGreaterThan(65504);
  expect(cosine(half['grad:x'], whole['grad:x'])).toBeGreaterThan(0.999);
});

it('numbers beyond float16 are an error that names the outputs, and no wrong result', async () => {
  const hostile = (value: number) =>
    trace(X, ({ x }) => ({
      y: conv2d(
        x,
        constant({ dtype: 'float32', shape: [1, 4, 1, 1], data: new Float32Array(4).fill(value) }),
      ),
      z: sub(x, 1),
    }));
  const inputs = { x: new Float32Array(256).fill(2) };
  await expect(run(hostile(1e4), inputs, 'float16')).rejects.toThrow(OverflowError);
  await expect(run(hostile(1e4), inputs, 'float16')).rejects.toThrow('float16: numbers beyond 65504 in y');
  expect((await run(hostile(1e4), inputs, 'float32')).y[0]).toBeCloseTo(8e4, -1);
  await expect(run(hostile(1e3), inputs, 'float16')).resolves.toBeDefined();
});
