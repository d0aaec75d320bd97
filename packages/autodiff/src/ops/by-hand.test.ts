/**
 * @file A few numbers for each family of ops that can be checked by hand. Each case says what y is, and what dx is for the
 * gradient of sum(y * dy). The other tests compare with PyTorch and with finite differences.
 */
import {
  abs,
  add,
  attention,
  avgPool2d,
  batchNorm,
  type ConstantSource,
  checkpoint,
  clip,
  compile,
  concat,
  constant,
  conv2d,
  convTranspose2d,
  div,
  embedding,
  exp,
  expand,
  exponentialMovingAverage,
  geglu,
  grad,
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
  mul,
  pad,
  pow,
  relu,
  resizeBilinear,
  resizeNearest,
  resizeNearestTo,
  type Shape,
  scalar,
  sigmoid,
  silu,
  slice,
  softmax,
  softplus,
  split,
  sqrt,
  square,
  stopGradient,
  sub,
  sum,
  type Tensor,
  trace,
  transpose,
  upsampledConv2d,
  where,
} from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';

interface Case {
  /** Shape of x; one axis unless given. */
  readonly shape?: Shape;
  readonly x: readonly number[];
  readonly op: (x: Tensor) => Tensor;
  readonly y: readonly number[];
  /** Cotangent of y; ones unless given. */
  readonly dy?: readonly number[];
  readonly dx: readonly number[];
}

/** A float32 constant. */
const c = (values: readonly number[], shape: Shape = [values.length]) =>
  constant({ dtype: 'float32', shape, data: Float32Array.from(values) });

const ids: ConstantSource = { dtype: 'int64', shape: [3], data: BigInt64Array.of(1n, 0n, 1n) };

/** Two queries that see two keys; all scores are 0, so each query gets the mean of the values. */
const noScores = (v: Tensor) => attention(c([0, 0], [1, 1, 2, 1]), c([5, 7], [1, 1, 2, 1]), v);

const FAMILIES: Record<string, Record<string, Case>> = {
  core: {
    'a sum of squares has gradient 2x': { x: [1, -2, 3], op: (x) => sum(square(x)), y: [14], dx: [2, -4, 6] },
    'x + x has gradient 2': { x: [3], op: (x) => add(x, x), y: [6], dx: [2] },
    '5 - x has gradient -1': { x: [3], op: (x) => sub(5, x), y: [2], dx: [-1] },
    'a product by a constant': { x: [3, 4], op: (x) => mul(x, c([10, 20])), y: [30, 80], dx: [10, 20] },
    'one number that broadcasts over three gets the sum': {
      x: [2],
      op: (x) => mul(x, c([1, 10, 100])),
      y: [2, 20, 200],
      dx: [111],
    },
    'a number repeated three times gets the sum': {
      x: [2],
      op: (x) => expand(x, [3]),
      y: [2, 2, 2],
      dy: [1, 10, 100],
      dx: [111],
    },
  },
  arithmetic: {
    '1 / x has gradient -1 / x²': { x: [2, 4], op: (x) => div(1, x), y: [0.5, 0.25], dx: [-0.25, -0.0625] },
    'x³ has gradient 3x²': { x: [2], op: (x) => pow(x, 3), y: [8], dx: [12] },
    'e^x is its own gradient': { x: [0, 1], op: exp, y: [1, Math.E], dx: [1, Math.E] },
    'log x has gradient 1 / x': { x: [1, 4], op: log, y: [0, Math.log(4)], dx: [1, 0.25] },
    'sqrt x has gradient 1 / (2 sqrt x)': { x: [4, 25], op: sqrt, y: [2, 5], dx: [0.25, 0.1] },
    '|x| has gradient -1, 0 or 1': { x: [-3, 0, 3], op: abs, y: [3, 0, 3], dx: [-1, 0, 1] },
    'a maximum; on a tie each operand gets half': {
      x: [1, 2, 3],
      op: (x) => maximum(x, 2),
      y: [2, 2, 3],
      dx: [0, 0.5, 1],
    },
    'clip passes the gradient inside and on the bounds': {
      x: [-1, 0, 0.5, 2],
      op: (x) => clip(x, 0, 1),
      y: [0, 0, 0.5, 1],
      dx: [0, 1, 1, 0],
    },
    'where takes the gradient of the chosen side': {
      x: [-1, 2],
      op: (x) => where(constant({ dtype: 'bool', shape: [2], data: Uint8Array.of(1, 0) }), x, 7),
      y: [-1, 7],
      dx: [1, 0],
    },
    'no gradient flows through stopGradient': {
      x: [3],
      op: (x) => mul(x, stopGradient(x)),
      y: [9],
      dx: [3],
    },
  },
  activation: {
    relu: { x: [-1, 2], op: relu, y: [0, 2], dx: [0, 1] },
    'sigmoid(0) = 1/2 with gradient 1/4': { x: [0], op: sigmoid, y: [0.5], dx: [0.25] },
    'silu(0) = 0 with gradient 1/2': { x: [0], op: silu, y: [0], dx: [0.5] },
    'softplus(0) = log 2 with gradient 1/2': { x: [0], op: softplus, y: [Math.log(2)], dx: [0.5] },
    'geglu with a gate of 0: the slope of GELU is 1/2 there': {
      x: [0],
      op: (x) => geglu(c([6]), x),
      y: [0],
      dx: [3],
    },
  },
  reduce: {
    'a mean of four has gradient 1/4': { x: [1, 2, 3, 6], op: mean, y: [3], dx: [0.25, 0.25, 0.25, 0.25] },
    'two equal maxima share the gradient': { x: [5, 1, 5], op: max, y: [5], dx: [0.5, 0, 0.5] },
    'a sum over rows': {
      shape: [2, 2],
      x: [1, 2, 3, 4],
      op: (x) => sum(x, { axes: [0] }),
      y: [4, 6],
      dy: [1, 10],
      dx: [1, 10, 1, 10],
    },
  },
  matmul: {
    'a 2x2 product': {
      shape: [2, 2],
      x: [1, 2, 3, 4],
      op: (x) => matmul(x, c([5, 6, 7, 8], [2, 2])),
      y: [1 * 5 + 2 * 7, 1 * 6 + 2 * 8, 3 * 5 + 4 * 7, 3 * 6 + 4 * 8],
      // dx = dy bᵀ: the sums of the rows of b
      dx: [11, 15, 11, 15],
    },
    'a linear layer, 2 features to 1': {
      shape: [1, 2],
      x: [3, 4],
      op: (x) => linear(x, c([10, 100], [1, 2]), c([1])),
      y: [431],
      dx: [10, 100],
    },
  },
  softmax: {
    'softmax of [0, 0] is [1/2, 1/2]': {
      x: [0, 0],
      op: (x) => softmax(x),
      y: [0.5, 0.5],
      dy: [1, 0],
      // dx = y (dy - sum(dy y))
      dx: [0.25, -0.25],
    },
    'log softmax of [0, 0] is -log 2': {
      x: [0, 0],
      op: (x) => logSoftmax(x),
      y: [-Math.log(2), -Math.log(2)],
      dy: [1, 0],
      dx: [0.5, -0.5],
    },
  },
  conv: {
    'a 1x1 kernel multiplies': {
      shape: [1, 1, 2, 2],
      x: [1, 2, 3, 4],
      op: (x) => conv2d(x, c([10], [1, 1, 1, 1]), c([5])),
      y: [15, 25, 35, 45],
      dx: [10, 10, 10, 10],
    },
    'a 2x2 kernel over 2x2 pixels is one dot product': {
      shape: [1, 1, 2, 2],
      x: [1, 2, 3, 4],
      op: (x) => conv2d(x, c([1, 10, 100, 1000], [1, 1, 2, 2])),
      y: [4321],
      dx: [1, 10, 100, 1000],
    },
    'its transpose spreads one pixel over 2x2': {
      shape: [1, 1, 1, 1],
      x: [3],
      op: (x) => convTranspose2d(x, c([1, 10, 100, 1000], [1, 1, 2, 2])),
      y: [3, 30, 300, 3000],
      dx: [1111],
    },
    'of a pixel at twice its size, a 3x3 kernel of ones sees four copies': {
      shape: [1, 1, 1, 1],
      x: [3],
      op: (x) => upsampledConv2d(x, c(new Array(9).fill(1), [1, 1, 3, 3])),
      y: [12, 12, 12, 12],
      dx: [16],
    },
  },
  'pool and resize': {
    'the mean of 2x2 pixels': {
      shape: [1, 1, 2, 2],
      x: [1, 2, 3, 6],
      op: (x) => avgPool2d(x, { kernel: 2 }),
      y: [3],
      dx: [0.25, 0.25, 0.25, 0.25],
    },
    'the maximum of 2x2 pixels': {
      shape: [1, 1, 2, 2],
      x: [1, 2, 3, 6],
      op: (x) => maxPool2d(x, { kernel: 2 }),
      y: [6],
      dx: [0, 0, 0, 1],
    },
    'a pixel repeated 2x2 times': {
      shape: [1, 1, 1, 1],
      x: [3],
      op: (x) => resizeNearest(x, 2),
      y: [3, 3, 3, 3],
      dy: [1, 10, 100, 1000],
      dx: [1111],
    },
    'nearest, from four pixels to nine': {
      shape: [1, 1, 1, 4],
      x: [1, 2, 3, 4],
      op: (x) => resizeNearestTo(x, 1, 9),
      y: [1, 1, 1, 2, 2, 3, 3, 4, 4],
      dy: [1, 10, 100, 1, 10, 1, 10, 1, 10],
      dx: [111, 11, 11, 11],
    },
    'nearest, from two pixels to three, and from three rows to one': {
      shape: [1, 1, 3, 2],
      x: [1, 2, 3, 4, 5, 6],
      op: (x) => resizeNearestTo(x, 1, 3),
      y: [1, 1, 2],
      dx: [2, 1, 0, 0, 0, 0],
    },
    'bilinear, from two pixels to four': {
      shape: [1, 1, 1, 2],
      x: [0, 4],
      op: (x) => resizeBilinear(x, 1, 4),
      y: [0, 1, 3, 4],
      dx: [2, 2],
    },
  },
  shape: {
    transpose: {
      shape: [2, 2],
      x: [1, 2, 3, 4],
      op: (x) => transpose(x),
      y: [1, 3, 2, 4],
      dy: [1, 2, 3, 4],
      dx: [1, 3, 2, 4],
    },
    'every second element': {
      x: [1, 2, 3, 4],
      op: (x) => slice(x, [{ axis: 0, start: 0, step: 2 }]),
      y: [1, 3],
      dy: [7, 8],
      dx: [7, 0, 8, 0],
    },
    'one zero before and two after': {
      x: [5],
      op: (x) => pad(x, [1], [2]),
      y: [0, 5, 0, 0],
      dy: [1, 2, 3, 4],
      dx: [2],
    },
    'two copies in a row': { x: [5], op: (x) => concat([x, x], 0), y: [5, 5], dy: [1, 10], dx: [11] },
    'the second of two pieces': { x: [5, 6, 7], op: (x) => split(x, [1, 2], 0)[1], y: [6, 7], dx: [0, 1, 1] },
  },
  gather: {
    'rows 1, 0, 1 of a table: row 1 gets two gradients': {
      shape: [2, 1],
      x: [5, 6],
      op: (x) => embedding(constant(ids), x),
      y: [6, 5, 6],
      dy: [1, 10, 100],
      dx: [10, 101],
    },
  },
  norm: {
    'layer norm of [-1, 1] is itself': {
      x: [-1, 1],
      op: (x) => layerNorm(x, c([1, 1]), c([0, 0]), 0),
      y: [-1, 1],
      dy: [1, 0],
      // dx = dy - mean(dy) - y mean(dy y)
      dx: [0, 0],
    },
    'group norm of two groups of one channel': {
      shape: [1, 2, 2],
      x: [-1, 1, -10, 10],
      op: (x) => groupNorm(x, 2, c([3, 5]), c([0, 1]), 0),
      y: [-3, 3, -4, 6],
      dx: [0, 0, 0, 0],
    },
    'batch norm with mean 1 and variance 4': {
      shape: [1, 1, 2],
      x: [1, 5],
      op: (x) => batchNorm(x, { mean: c([1]), variance: c([4]) }, c([10]), c([3]), 0),
      y: [3, 23],
      dx: [5, 5],
    },
  },
  attention: {
    'without scores the output is the mean of the values': {
      shape: [1, 1, 2, 1],
      x: [2, 4],
      op: noScores,
      y: [3, 3],
      dx: [1, 1],
    },
  },
  'optimisers and checkpoint': {
    'a moving average with decay 3/4': {
      x: [8],
      op: (x) => exponentialMovingAverage(c([4]), x, scalar(0.75)),
      y: [5],
      dx: [0.25],
    },
    'a checkpointed block has the gradient of the block': { x: [3], op: checkpoint(square), y: [9], dx: [6] },
  },
};

for (const [family, cases] of Object.entries(FAMILIES)) {
  describe(family, () => {
    it.each(Object.entries(cases))('%s', async (_, { shape, x, op, y, dy, dx }) => {
      const graph = trace({ x: { shape: shape ?? [x.length] } }, ({ x: input }) => {
        const output = op(input);
        const cotangent = c(dy ?? new Array<number>(y.length).fill(1), output.shape);
        return { y: output, dx: grad(output, [input], { cotangent })[0] };
      });
      const program = await compile(graph, { threads: 1 });
      const results = await program.run({ x: Float32Array.from(x) });
      await program.dispose();
      expectNumbers(results.y, y);
      expectNumbers(results.dx, dx);
    });
  });
}

function expectNumbers(got: ArrayLike<number | bigint>, want: readonly number[]): void {
  expect(got).toHaveLength(want.length);
  want.forEach((value, i) => {
    expect(Number(got[i])).toBeCloseTo(value, 5);
  });
}
