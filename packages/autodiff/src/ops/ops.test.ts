/**
 * Value and gradient of every op against PyTorch (fixtures/make/ops.py, float64). The tolerance, 1e-5 of the largest
 * number of the tensor, is what float32 gives with room for another order of summation; exceptions say why.
 */
import {
  abs,
  acos,
  add,
  asin,
  attention,
  attentionWithProbabilities,
  avgPool2d,
  batchNorm,
  batchStatistics,
  bceWithLogits,
  type Conv2dOptions,
  cast,
  clip,
  compile,
  concat,
  conv2d,
  convTranspose2d,
  cos,
  div,
  embedding,
  erf,
  exp,
  expand,
  gather,
  gelu,
  geluTanh,
  grad,
  greater,
  groupNorm,
  layerNorm,
  linear,
  log,
  logSoftmax,
  matmul,
  max,
  maximum,
  maxPool2d,
  mean,
  min,
  minimum,
  mul,
  neg,
  pad,
  pow,
  quickGelu,
  type ReduceOptions,
  relu,
  reshape,
  resizeBilinear,
  resizeNearest,
  sigmoid,
  silu,
  sin,
  slice,
  softmax,
  softplus,
  split,
  sqrt,
  square,
  stack,
  stopGradient,
  sub,
  sum,
  type Tensor,
  tanh,
  trace,
  transpose,
  where,
} from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';
import { expectCase, type Op, stored } from '../testing/fixtures.ts';

const unary =
  (op: (x: Tensor) => Tensor): Op =>
  ({ x }) =>
    op(x);
const binary =
  (op: (a: Tensor, b: Tensor) => Tensor): Op =>
  ({ a, b }) =>
    op(a, b);
const reduction =
  (op: (x: Tensor, options?: ReduceOptions) => Tensor, some: number[], kept: number[]): Op =>
  ({ x }) => ({ all: op(x), some: op(x, { axes: some }), kept: op(x, { axes: kept, keepDims: true }) });

const families: Record<string, Record<string, Op>> = {
  arithmetic: {
    add: binary(add),
    sub: binary(sub),
    mul: binary(mul),
    div: binary(div),
    pow: binary(pow),
    powInteger: ({ a }) => pow(a, 3),
    minimum: binary(minimum),
    maximum: binary(maximum),
    neg: unary(neg),
    abs: unary(abs),
    exp: unary(exp),
    log: unary(log),
    sqrt: unary(sqrt),
    square: unary(square),
    tanh: unary(tanh),
    sigmoid: unary(sigmoid),
    erf: unary(erf),
    sin: unary(sin),
    cos: unary(cos),
    asin: unary(asin),
    acos: unary(acos),
    clip: ({ x }) => clip(x, -1, 0.5),
    where: ({ a, b }) => where(greater(a, b), mul(a, b), b),
    cast: ({ x }) => cast(cast(x, 'float16'), 'float32'),
  },
  reductions: {
    sum: reduction(sum, [1, 3], [0, 2]),
    mean: reduction(mean, [1, -1], [0, 2]),
    max: reduction(max, [0, 2], [1]),
    min: reduction(min, [0, -1], [1]),
  },
  'matrix products': {
    matmul: binary(matmul),
    matmulBatched: binary(matmul),
    matmulSharedRight: binary(matmul),
    matmulSharedLeft: binary(matmul),
    linear: ({ x, w, b }) => linear(x, w, b),
    linearVector: ({ x, w }) => linear(x, w),
  },
  pooling: {
    maxPool2d: ({ x }) => maxPool2d(x, { kernel: 2 }),
    'maxPool2d.ties': ({ x }) => maxPool2d(x, { kernel: 2 }),
    'maxPool2d.overlapping': ({ x }) => maxPool2d(x, { kernel: 3, stride: 2, padding: 1 }),
    avgPool2d: ({ x }) => avgPool2d(x, { kernel: 2 }),
    'avgPool2d.remainder': ({ x }) => avgPool2d(x, { kernel: 3 }),
    'avgPool2d.overlapping': ({ x }) => avgPool2d(x, { kernel: 3, stride: 2, padding: 1 }),
  },
  resizing: {
    resizeNearest: ({ x }) => resizeNearest(x, 3),
    'resizeBilinear.up': ({ x }) => resizeBilinear(x, 9, 8),
    'resizeBilinear.down': ({ x }) => resizeBilinear(x, 3, 2),
    'resizeBilinear.mixed': ({ x }) => resizeBilinear(x, 3, 11),
    'resizeBilinear.double': ({ x }) => resizeBilinear(x, 10, 12),
  },
  picking: {
    embedding: ({ table, ids }) => embedding(ids, table),
    'gather.middle': ({ x, ids }) => gather(x, ids, 1),
    'gather.last': ({ x, ids }) => gather(x, ids, -1),
    'gather.scalar': ({ x, ids }) => gather(x, ids),
  },
  moving: {
    slice: ({ x }) =>
      slice(x, [
        { axis: 0, start: 1, end: 3 },
        { axis: 2, start: 2 },
      ]),
    'slice.negative': ({ x }) =>
      slice(x, [
        { axis: 0, start: -2 },
        { axis: 1, start: 0, end: -1 },
      ]),
    'slice.steps': ({ x }) =>
      slice(x, [
        { axis: 0, start: 0, step: 2 },
        { axis: 1, start: 1 },
        { axis: 2, start: 1, end: 8, step: 3 },
      ]),
    'slice.stepPastTheEnd': ({ x }) => slice(x, [{ axis: -1, start: 0, step: 4 }]),
    concat: ({ a, b, c }) => concat([a, b, c], 1),
    stack: ({ a, b }) => stack([a, b], 1),
    split: ({ x }) => {
      const [a, b, c] = split(x, [1, 3, 2], 1);
      return { a: a, b: b, c: c };
    },
    'split.oneUsed': ({ x }) => split(x, [1, 3, 2], 1)[1],
    pad: ({ x }) => pad(x, [0, 0, 1], [0, 3, 2], 0.5),
    reshape: ({ x }) => reshape(x, [4, -1]),
    transpose: ({ x }) => transpose(x, [2, 0, 3, 1]),
    'transpose.reverse': ({ x }) => transpose(x),
    expand: ({ x }) => expand(x, [4, 2, 3, 5]),
  },
  softmax: {
    softmax: ({ x }) => ({ last: softmax(x), first: softmax(x, 0) }),
    logSoftmax: ({ x }) => ({ last: logSoftmax(x), middle: logSoftmax(x, 1) }),
    'logSoftmax.large': ({ x }) => logSoftmax(x),
  },
  norms: {
    layerNorm: ({ x, w, b }) => layerNorm(x, w, b),
    'layerNorm.eps': ({ x, w, b }) => layerNorm(x, w, b, 0.1),
    groupNorm: ({ x, w, b }) => groupNorm(x, 3, w, b),
    'groupNorm.eps': ({ x, w, b }) => groupNorm(x, 2, w, b, 1e-2),
    'batchNorm.training': ({ x, w, b }) => batchNorm(x, batchStatistics(x), w, b),
  },
  activations: {
    relu: unary(relu),
    silu: unary(silu),
    gelu: unary(gelu),
    geluTanh: unary(geluTanh),
    quickGelu: unary(quickGelu),
    softplus: unary(softplus),
    bceWithLogits: ({ x, t }) => bceWithLogits(x, t),
  },
  attention: {
    attention: ({ q, k, v }) => attention(q, k, v),
    'attention.scaled': ({ q, k, v }) => attention(q, k, v, { scale: 0.3 }),
    'attention.probabilities': ({ q, k, v }) => ({ ...attentionWithProbabilities(q, k, v) }),
    'attention.onlyProbabilities': ({ q, k, v }) => attentionWithProbabilities(q, k, v).probabilities,
  },
};

for (const [family, cases] of Object.entries(families)) {
  describe(family, () => {
    it.each(Object.entries(cases))('%s equals PyTorch, forward and back', (name, op) => expectCase(name, op));
  });
}

describe('convolution', () => {
  const cases: Record<string, Conv2dOptions> = {
    plain: { padding: 1 },
    wide: { padding: 1 },
    deep: { padding: 1 },
    onePixel: { padding: 1 },
    pointwise: {},
    oblong: { padding: [0, 2, 0, 1] },
    noPadding: {},
    asymmetric: { padding: [0, 2, 1, 3] },
    muchPadding: { padding: [2, 3, 2, 3] },
    dilated: { padding: 2, dilation: 2 },
    dilatedPastTheEdge: { padding: 4, dilation: 4 },
    stride2: { padding: 1, stride: 2 },
    stride2Asymmetric: { padding: [0, 0, 1, 1], stride: 2 },
    stride3Dilated: { padding: [2, 0, 1, 1], stride: 3, dilation: 2 },
    patches: { stride: 4 },
    groups: { padding: 1, groups: 2 },
    groupsStride2: { padding: 1, groups: 2, stride: 2 },
    depthwise: { padding: 1, groups: 4 },
  };
  it.each(Object.entries(cases))('conv2d %s equals PyTorch, forward and back', (name, options) =>
    expectCase(`conv2d.${name}`, ({ x, w, b }) => conv2d(x, w, b, options)),
  );

  const transposed: Record<string, Conv2dOptions & { outputPadding?: number }> = {
    plain: { padding: 1 },
    stride2: { padding: 1, stride: 2 },
    outputPadding: { padding: 1, stride: 2, outputPadding: 1 },
    dilated: { padding: 1, dilation: 2 },
    groups: { padding: 1, stride: 2, groups: 2 },
  };
  it.each(Object.entries(transposed))(
    'convTranspose2d %s equals PyTorch, forward and back',
    (name, options) =>
      expectCase(`convTranspose2d.${name}`, ({ x, w, b }) => convTranspose2d(x, w, b, options)),
  );
});

it('batch norm with given statistics equals PyTorch', async () => {
  // Ours differentiates the statistics too; PyTorch holds them fixed, so their stored gradients are zero.
  await expectCase('batchNorm', ({ x, m, v, w, b }) =>
    batchNorm(x, { mean: stopGradient(m), variance: stopGradient(v) }, w, b),
  );
});

it('attention under a mask of minus infinities equals PyTorch', async () => {
  await expectCase('attention.masked', ({ q, k, v, mask }) => attention(q, k, v, { mask: mask }));
});

it('a value on a bound of clip can move, one that is stopped cannot', async () => {
  const graph = trace({ x: { shape: [5] } }, ({ x }) => {
    const clipped = grad(sum(clip(x, -1, 1)), [x])[0];
    const stopped = grad(sum(mul(stopGradient(x), x)), [x])[0];
    return { clipped, stopped };
  });
  const program = await compile(graph, { threads: 1 });
  const { clipped, stopped } = await program.run({ x: Float32Array.of(-2, -1, 0, 1, 2) });
  expect([...clipped]).toEqual([0, 1, 1, 1, 0]);
  expect([...stopped]).toEqual([-2, -1, 0, 1, 2]);
});

it('repeated indices are part of the embedding fixture', () => {
  const ids = [...stored('embedding/in:ids').data];
  expect(new Set(ids).size).toBeLessThan(ids.length);
});
