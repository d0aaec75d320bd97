/** Wrong programs fail while they are traced; the message names the op, the operands and their shapes. */
import {
  adamW,
  add,
  attention,
  avgPool2d,
  batchNorm,
  cast,
  checkpoint,
  clip,
  concat,
  constant,
  conv2d,
  convTranspose2d,
  embedding,
  exp,
  expand,
  exponentialMovingAverage,
  frozen,
  gather,
  grad,
  greater,
  groupNorm,
  layerNorm,
  linear,
  logSoftmax,
  matmul,
  max,
  maximum,
  maxPool2d,
  mul,
  pad,
  reshape,
  resizeBilinear,
  resizeNearest,
  resizeNearestTo,
  scalar,
  slice,
  softmax,
  split,
  stack,
  sum,
  type Tensor,
  trace,
  transpose,
  where,
} from '@sgool/autodiff';
import { describe, expect, it } from 'vitest';

const inputs = {
  a: { shape: [2, 3] },
  b: { shape: [3, 4] },
  v: { shape: [5] },
  image: { shape: [2, 3, 6, 6] },
  kernel: { shape: [4, 3, 3, 3] },
  heads: { shape: [2, 3, 5, 4] },
  ids: { dtype: 'int64', shape: [3] },
  half: { dtype: 'float16', shape: [2, 3] },
} as const;
type Given = { readonly [K in keyof typeof inputs]: Tensor };

const table: [what: string, program: (given: Given) => unknown, message: string][] = [
  ['add', ({ a, b }) => add(a, b), 'add: operands do not broadcast, got a [2,3] and b [3,4]'],
  ['maximum', ({ a, v }) => maximum(a, v), 'maximum: operands do not broadcast, got a [2,3] and b [5]'],
  ['greater', ({ a, v }) => greater(a, v), 'greater: operands do not broadcast, got a [2,3] and b [5]'],
  [
    'two types',
    ({ a, half }) => mul(a, half),
    'mul: operands differ in type, got a float32[2,3] and b float16[2,3]; cast one of them',
  ],
  [
    'two types in a product',
    ({ a, half }) => matmul(a, transpose(half)),
    'matmul: operands differ in type, got a float32[2,3] and b float16[3,2]',
  ],
  [
    'where',
    ({ a, b }) => where(greater(a, 0), b, 0),
    'where: operands do not broadcast, got condition [2,3], a [3,4], b []',
  ],
  ['where without a bool', ({ a }) => where(a, a, 0), 'where: the condition must be bool, got float32[2,3]'],
  ['clip', ({ a }) => clip(a, 1, -1), 'clip: low must not exceed high, got 1 and -1'],
  [
    'sum',
    ({ a }) => sum(a, { axes: [2] }),
    'sum: there is no axis 2 in [2,3]; needs a whole number from -2 to 1',
  ],
  ['max', ({ a }) => max(a, { axes: [0.5] }), 'max: there is no axis 0.5 in [2,3]'],
  ['softmax', ({ a }) => softmax(a, -3), 'softmax: there is no axis -3 in [2,3]'],
  ['logSoftmax', ({ a }) => logSoftmax(a, 2), 'logSoftmax: there is no axis 2 in [2,3]'],
  [
    'matmul',
    ({ a }) => matmul(a, a),
    "matmul: a's last axis must equal b's second to last and leading axes must broadcast, got a [2,3] and b [2,3]",
  ],
  [
    'matmul of a vector',
    ({ a, v }) => matmul(a, v),
    'matmul: operands need two axes or more, got a [2,3] and b [5]',
  ],
  [
    'linear',
    ({ a, b }) => linear(a, b),
    "linear: x's last axis must equal the weight's second, got x [2,3] and weight [3,4]",
  ],
  ['linear bias', ({ a, v }) => linear(a, reshape(a, [2, 3]), v), 'linear: bias must be [2], got [5]'],
  [
    'conv2d',
    ({ heads, kernel }) => conv2d(heads, transpose(kernel, [1, 0, 2, 3])),
    'conv2d: needs x [batch, in, h, w] and weight [out, in / 1 groups, kh, kw], got x [2,3,5,4] and weight [3,4,3,3]',
  ],
  [
    'conv2d groups',
    ({ image, kernel }) =>
      conv2d(image, slice(kernel, [{ axis: 1, start: 0, end: 1 }]), undefined, { groups: 3 }),
    'conv2d: 3 groups do not divide the output channels of weight [4,1,3,3]',
  ],
  [
    'conv2d size',
    ({ image, kernel }) => conv2d(image, kernel, undefined, { dilation: 3 }),
    'conv2d: kernel 3x3 does not fit x [2,3,6,6] with padding [0,0,0,0]',
  ],
  ['conv2d bias', ({ image, kernel, v }) => conv2d(image, kernel, v), 'conv2d: bias must be [4], got [5]'],
  [
    'conv2d stride',
    ({ image, kernel }) => conv2d(image, kernel, undefined, { stride: 0, padding: -1 }),
    'conv2d: stride, dilation and groups must be whole and at least 1, paddings whole and not negative, got 0, 1, 1 and [-1,-1,-1,-1]',
  ],
  [
    'convTranspose2d',
    ({ image, kernel }) => convTranspose2d(image, kernel),
    'convTranspose2d: needs x [batch, in, h, w] and weight [in, out / groups, kh, kw], got x [2,3,6,6] and weight [4,3,3,3]',
  ],
  [
    'convTranspose2d size',
    ({ image }) => convTranspose2d(image, reshape(image, [3, 2, 6, 6]), undefined, { padding: 6 }),
    'convTranspose2d: x [2,3,6,6] and weight [3,2,6,6] with 1 groups, stride 1 and padding [6,6,6,6] give [2,2,-1,-1]',
  ],
  [
    'maxPool2d',
    ({ a }) => maxPool2d(a, { kernel: 2 }),
    'maxPool2d: needs [batch, channels, h, w], got [2,3]',
  ],
  [
    'avgPool2d size',
    ({ image }) => avgPool2d(image, { kernel: 7 }),
    'avgPool2d: window 7 does not fit x [2,3,6,6]',
  ],
  [
    'resizeNearest',
    ({ image }) => resizeNearest(image, 1.5),
    'resizeNearest: needs [batch, channels, h, w] and a whole factor, got [2,3,6,6] and 1.5',
  ],
  [
    'resizeNearestTo',
    ({ a }) => resizeNearestTo(a, 2, 2),
    'resizeNearestTo: needs [batch, channels, h, w], got [2,3]',
  ],
  [
    'resizeBilinear',
    ({ a }) => resizeBilinear(a, 2, 2),
    'resizeBilinear: needs [batch, channels, h, w], got [2,3]',
  ],
  ['gather', ({ a, v }) => gather(a, v), 'gather: indices must be int32 or int64, got float32[5]'],
  ['gather axis', ({ a, ids }) => gather(a, ids, 2), 'gather: there is no axis 2 in [2,3]'],
  ['embedding', ({ ids, v }) => embedding(ids, v), 'embedding: the table must be [count, width], got [5]'],
  [
    'slice',
    ({ a }) => slice(a, [{ axis: 1, start: 2, end: 4 }]),
    'slice: range 2..4 step 1 does not lie in axis 1 of [2,3]',
  ],
  [
    'concat',
    ({ a, b }) => concat([a, b], 0),
    'concat: operands may differ only along axis 0, got [2,3] and [3,4]',
  ],
  ['concat of nothing', () => concat([], 0), 'concat: needs at least one tensor, got none'],
  ['stack', ({ a, b }) => stack([a, b], 0), 'stack: operands must have one shape, got [2,3] and [3,4]'],
  ['split', ({ a }) => split(a, [1, 1], 1), 'split: lengths [1,1] sum to 2, axis 1 of [2,3] has 3'],
  [
    'pad',
    ({ a }) => pad(a, [1], [1, -1]),
    'pad: needs a non-negative amount for both ends of each axis of [2,3], got [1] and [1,-1]',
  ],
  ['reshape', ({ a }) => reshape(a, [4, -1]), 'reshape: [2,3] holds 6 elements, which do not fill [4,-1]'],
  [
    'transpose',
    ({ a }) => transpose(a, [0, 0]),
    'transpose: order must name each axis of [2,3] once, got [0,0]',
  ],
  ['expand', ({ a }) => expand(a, [2, 4]), 'expand: [2,3] does not broadcast to [2,4]'],
  [
    'layerNorm',
    ({ a, v }) => layerNorm(a, v, v),
    'layerNorm: weight and bias must be [3], got x [2,3], weight [5] and bias [5]',
  ],
  [
    'groupNorm',
    ({ image, v }) => groupNorm(image, 2, v, v),
    'groupNorm: 2 groups do not divide the channels of x [2,3,6,6]',
  ],
  [
    'groupNorm weights',
    ({ image, v }) => groupNorm(image, 3, v, v),
    'groupNorm: weight and bias must be [3], got [5] and [5]',
  ],
  [
    'batchNorm',
    ({ image, v }) => batchNorm(image, { mean: v, variance: v }, v, v),
    'batchNorm: statistics, weight and bias must be [3], got [5] for x [2,3,6,6]',
  ],
  [
    'attention',
    ({ heads, image }) => attention(heads, image, image),
    'attention: needs q [b,h,n,d], k [b,h,m,d], v [b,h,m,e], got [2,3,5,4], [2,3,6,6], [2,3,6,6]',
  ],
  [
    'attention mask',
    ({ heads, v }) => attention(heads, heads, heads, { mask: expand(v, [4, 5]) }),
    'attention: mask [4,5] does not broadcast to [2,3,5,5]',
  ],
  [
    'adamW',
    ({ a, v }) => adamW({ parameters: a, first: a, second: a }, v, scalar(1), scalar(1), scalar(1)),
    'adamW: all tensors must have one shape, got parameters [2,3], first [2,3], second [2,3], gradient [5]',
  ],
  [
    'moving average',
    ({ a, v }) => exponentialMovingAverage(a, v, scalar(0.9)),
    'exponentialMovingAverage: average and value must have one shape, got [2,3] and [5]',
  ],
  ['grad', ({ a }) => grad(a, [a]), 'grad: without a cotangent the result must hold one element, got [2,3]'],
  [
    'cotangent',
    ({ a, v }) => grad(a, [a], { cotangent: v }),
    'grad: cotangent [5] does not fit the result [2,3]',
  ],
  [
    'inside checkpoint',
    ({ a, b }) => checkpoint((t: Tensor) => add(t, b))(a),
    'add: operands do not broadcast',
  ],
  [
    'constant',
    () => constant({ dtype: 'float32', shape: [2, 2], data: new Float32Array(3) }),
    'constant: 3 numbers do not fill shape [2,2] (4)',
  ],
  [
    'constant in a file',
    () =>
      constant({ dtype: 'float16', shape: [2, 2], file: { path: 'a.bin', byteOffset: 0, byteLength: 16 } }),
    'constant: 16 bytes of a.bin do not hold float16[2,2] (8 bytes)',
  ],
  [
    'missing weight',
    () => frozen(new Map(), 'model.safetensors').get('conv.weight', [4]),
    'model.safetensors: weight "conv.weight" [4] is missing',
  ],
  [
    'weight of another shape',
    () => {
      const source = { dtype: 'float32', shape: [2], data: new Float32Array(2) } as const;
      frozen(new Map([['w', source]]), 'model.safetensors').get('w', [4]);
    },
    'model.safetensors: weight "w" has shape [2], the configuration asks for [4]',
  ],
];

describe('while tracing', () => {
  it.each(table)('%s', (_, program, message) => {
    const run = () =>
      trace(inputs, (given) => {
        program(given);
        return {};
      });
    expect(run).toThrow(message);
  });
});

it('ops do not work on numbers or outside of a trace', () => {
  expect(() => add(1, 2)).toThrow('add: called outside of trace(...)');
  expect(() => scalar(1)).toThrow('scalar: called outside of trace(...)');
});

it('a tensor of one trace is refused in another', () => {
  const stray = trace({ x: { shape: [2] } }, () => ({})).inputs.get('x') as Tensor;
  expect(() => trace({ y: { shape: [2] } }, ({ y }) => ({ z: add(exp(cast(y, 'float32')), stray) }))).toThrow(
    'Add: operand float32[2] belongs to another trace',
  );
});
