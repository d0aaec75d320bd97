/**
 * @file The ONNX operators that can be imported, each written with this package's ops. Attribute values that a rule does not
 * cover are errors.
 *
 * Reference: github.com/onnx/onnx, docs/Operators.md.
 */

import { broadcastShape, show, sizeOf } from '../graph/shape.ts';
import type { Tensor } from '../graph/trace.ts';
import { gelu, geluTanh, relu, softplus } from '../ops/activation.ts';
import {
  abs,
  acos,
  asin,
  cast,
  clip,
  cos,
  div,
  equal,
  erf,
  exp,
  greater,
  greaterOrEqual,
  less,
  lessOrEqual,
  log,
  maximum,
  minimum,
  pow,
  sigmoid,
  sin,
  sqrt,
  square,
  tanh,
  where,
} from '../ops/arithmetic.ts';
import { conv2d, convTranspose2d, type Padding } from '../ops/conv.ts';
import { add, expand, mul, neg, type ReduceOptions, reshape, sub, sum } from '../ops/core.ts';
import { gather } from '../ops/gather.ts';
import { linear, matmul, transposeLast } from '../ops/matmul.ts';
import { batchNorm, groupNorm, layerNorm } from '../ops/norm.ts';
import { avgPool2d, maxPool2d, resizeNearest } from '../ops/pool.ts';
import { max, mean, min } from '../ops/reduce.ts';
import { resizeBilinear } from '../ops/resize.ts';
import { concat, full, pad, slice, split, transpose, zerosLike } from '../ops/shape.ts';
import { logSoftmax, softmax } from '../ops/softmax.ts';
import { type Call, numbersOf, type Value } from './call.ts';
import { dtypeOf } from './decode.ts';
import { axesOf, resolveShape, sliceRanges, squeezed, unsqueezed } from './fold.ts';

type Rule = (call: Call) => Value | readonly Value[];

const unary =
  (op: (x: Tensor) => Tensor): Rule =>
  (call) =>
    op(call.tensor(0));
const binary =
  (op: (a: Tensor, b: Tensor) => Tensor): Rule =>
  (call) =>
    op(call.tensor(0), call.tensor(1));
const variadic =
  (op: (a: Tensor, b: Tensor) => Tensor): Rule =>
  (call) =>
    call.tensors().reduce((a, b) => op(a, b));
const reduction =
  (op: (x: Tensor, options: ReduceOptions) => Tensor): Rule =>
  (call) => {
    const axes = axesOf(call);
    const all = !axes || axes.length === 0;
    if (all && call.number('noop_with_empty_axes', 0) === 1) return call.tensor(0);
    return op(call.tensor(0), { axes: all ? undefined : axes, keepDims: call.number('keepdims', 1) === 1 });
  };

/** Axes after batch and channels. */
const spatial = (x: Tensor) => x.shape.map((_, i) => i).slice(2);

function padding(call: Call): Padding {
  call.require('auto_pad', 'NOTSET', 'VALID');
  const pads = call.list('pads') ?? [0, 0, 0, 0];
  return pads.length === 4
    ? (pads as [number, number, number, number])
    : call.fail('only two dimensions are supported');
}

function convolution(call: Call) {
  return {
    stride: call.same('strides', 1),
    dilation: call.same('dilations', 1),
    groups: call.number('group', 1),
    padding: padding(call),
  };
}

function pooling(call: Call) {
  call.require('ceil_mode', 0);
  if (call.same('dilations', 1) !== 1) call.fail('dilations are not supported');
  const pads = padding(call) as readonly number[];
  if (pads.some((n) => n !== pads[0])) call.fail(`pads ${show(pads)} are not equal`);
  const kernel = call.same('kernel_shape', 0);
  if (!(kernel >= 1)) call.fail(`kernel_shape must be at least 1, got ${kernel}`);
  return { kernel, stride: call.same('strides', 1), padding: pads[0] };
}

/** Largest factor of a resize by repeating pixels. */
const MOST_TIMES = 64;
/** Numbers in the matrices of a resize: enough from 4096 to 4096 pixels. */
const LARGEST_MATRICES = 2 ** 25;

function resize(call: Call): Tensor {
  call.require('antialias', 0);
  const x = call.tensor(0);
  const scales = call.has(2) ? call.numbers(2) : [];
  const sizes = call.has(3) ? call.numbers(3) : x.shape.map((n, i) => Math.floor(n * (scales[i] ?? 1)));
  const [batch, channels, height, width] = sizes;
  if (x.rank !== 4 || sizes.length !== 4 || batch !== x.shape[0] || channels !== x.shape[1]) {
    call.fail(`only images [batch, channels, h, w] are supported, got ${show(x.shape)} to ${show(sizes)}`);
  }
  const mode = call.text('mode', 'nearest');
  if (mode === 'linear') {
    call.require('coordinate_transformation_mode', 'half_pixel', 'pytorch_half_pixel');
    // A product with a matrix for each axis.
    const matrices = height * x.shape[2] + width * x.shape[3];
    if (!(height > 0 && width > 0 && matrices <= LARGEST_MATRICES)) {
      call.fail(
        `from ${show(x.shape)} to ${show(sizes)} is not supported: it needs matrices of ${matrices} numbers; there may be ${LARGEST_MATRICES}`,
      );
    }
    return resizeBilinear(x, height, width);
  }
  const factor = height / x.shape[2];
  if (
    mode !== 'nearest' ||
    !Number.isInteger(factor) ||
    factor < 1 ||
    factor > MOST_TIMES ||
    width / x.shape[3] !== factor
  ) {
    call.fail(
      `mode ${mode} from ${show(x.shape)} to ${show(sizes)} is not supported; only linear, or nearest by a whole factor`,
    );
  }
  // With an integer factor all other rules round to the same pixel.
  call.require('coordinate_transformation_mode', 'half_pixel', 'asymmetric', 'pytorch_half_pixel');
  if (call.text('coordinate_transformation_mode', 'half_pixel') === 'asymmetric')
    call.require('nearest_mode', 'floor');
  return resizeNearest(x, factor);
}

function bounded(call: Call): Tensor {
  const bound = (index: number, name: string, none: number) =>
    call.has(index) ? call.numbers(index)[0] : call.number(name, none);
  return clip(
    call.tensor(0),
    bound(1, 'min', Number.NEGATIVE_INFINITY),
    bound(2, 'max', Number.POSITIVE_INFINITY),
  );
}

function gemm(call: Call): Tensor {
  const [a, b, c] = [call.tensor(0), call.tensor(1), call.optional(2)];
  const [alpha, beta] = [call.number('alpha', 1), call.number('beta', 1)];
  const left = call.number('transA', 0) ? transposeLast(a) : a;
  const transposed = call.number('transB', 0) === 1;
  if (transposed && alpha === 1 && beta === 1 && (!c || c.rank === 1)) return linear(left, b, c);
  const product = matmul(left, transposed ? transposeLast(b) : b);
  const scaled = alpha === 1 ? product : mul(product, alpha);
  return c ? add(scaled, beta === 1 ? c : mul(c, beta)) : scaled;
}

/** MatMul: a vector counts as a row on the left and as a column on the right. */
function product(a: Tensor, b: Tensor): Tensor {
  if (a.rank === 1) {
    const row = product(reshape(a, [1, a.size]), b);
    return reshape(row, b.rank === 1 ? [] : [...b.shape.slice(0, -2), b.shape[b.rank - 1]]);
  }
  return b.rank === 1 ? reshape(matmul(a, reshape(b, [b.size, 1])), a.shape.slice(0, -1)) : matmul(a, b);
}

function softmaxAlong(op: (x: Tensor, axis: number) => Tensor): Rule {
  return (call) => {
    const x = call.tensor(0);
    const axis = call.number('axis', call.opset < 13 ? 1 : -1);
    // Before operator set 13 all axes from this one on were taken together.
    if (call.opset < 13 && (axis < 0 ? axis + x.rank : axis) !== x.rank - 1) {
      call.fail('before operator set 13 only the last axis is supported');
    }
    return op(x, axis);
  };
}

function normalised(call: Call): Tensor {
  const x = call.tensor(0);
  const axis = call.number('axis', -1);
  if (axis !== -1 && axis !== x.rank - 1) call.fail(`axis ${axis} of ${show(x.shape)} is not the last`);
  if (call.node.outputs.length > 1) call.fail('mean and deviation as outputs are not supported');
  const weight = call.tensor(1);
  return layerNorm(x, weight, call.optional(2) ?? zerosLike(weight), call.number('epsilon', 1e-5));
}

function padded(call: Call): Tensor {
  call.require('mode', 'constant');
  const x = call.tensor(0);
  const pads = call.has(1) ? call.numbers(1) : (call.list('pads') ?? []);
  const axes = call.has(3) ? call.numbers(3) : x.shape.map((_, i) => i);
  const [before, after] = [x.shape.map(() => 0), x.shape.map(() => 0)];
  axes.forEach((axis, i) => {
    const at = axis < 0 ? axis + x.rank : axis;
    before[at] = pads[i];
    after[at] = pads[i + axes.length];
  });
  return pad(x, before, after, call.has(2) ? call.numbers(2)[0] : call.number('value', 0));
}

function pieces(call: Call): Tensor[] {
  const x = call.tensor(0);
  const axis = call.number('axis', 0);
  const length = x.shape[axis < 0 ? axis + x.rank : axis];
  const count = call.node.outputs.length;
  const each = Math.ceil(length / count);
  const equal = Array.from({ length: count }, (_, i) => Math.min(each, length - i * each));
  return split(x, (call.has(1) ? call.numbers(1) : call.list('split')) ?? equal, axis);
}

/** All importable operators. Those of other domains are called `domain:name`. */
export const OPERATORS: Readonly<Record<string, Rule>> = {
  // Arithmetic
  Add: binary(add),
  Sub: binary(sub),
  Mul: binary(mul),
  Div: binary(div),
  Pow: binary(pow),
  Sum: variadic(add),
  Mean: (call) =>
    mul(
      call.tensors().reduce((a, b) => add(a, b)),
      1 / call.count,
    ),
  Min: variadic(minimum),
  Max: variadic(maximum),
  Neg: unary(neg),
  Abs: unary(abs),
  Exp: unary(exp),
  Log: unary(log),
  Sqrt: unary(sqrt),
  Reciprocal: (call) => div(1, call.tensor(0)),
  Sin: unary(sin),
  Cos: unary(cos),
  Asin: unary(asin),
  Acos: unary(acos),
  Erf: unary(erf),
  Clip: bounded,
  Greater: binary(greater),
  Less: binary(less),
  GreaterOrEqual: binary(greaterOrEqual),
  LessOrEqual: binary(lessOrEqual),
  Equal: binary(equal),
  Where: (call) => where(call.tensor(0), call.tensor(1), call.tensor(2)),
  Cast(call) {
    const [FLOAT16, FLOAT64] = [10, 11];
    const to = call.number('to');
    // Arithmetic is float32 throughout.
    const dtype = to === FLOAT16 || to === FLOAT64 ? 'float32' : dtypeOf(to);
    return cast(
      call.tensor(0),
      dtype ?? call.fail(`element type ${to} of onnx.TensorProto is not supported`),
    );
  },
  Identity: (call) => call.value(0),
  Dropout: (call) => call.value(0),

  // Activations
  Relu: unary(relu),
  LeakyRelu: (call) => {
    const x = call.tensor(0);
    return where(greater(x, 0), x, mul(x, call.number('alpha', 0.01)));
  },
  PRelu: (call) => where(greater(call.tensor(0), 0), call.tensor(0), mul(call.tensor(0), call.tensor(1))),
  Elu: (call) => {
    const x = call.tensor(0);
    const negative = mul(sub(exp(minimum(x, 0)), 1), call.number('alpha', 1));
    return where(greater(x, 0), x, negative);
  },
  Sigmoid: unary(sigmoid),
  HardSigmoid: (call) =>
    clip(add(mul(call.tensor(0), call.number('alpha', 0.2)), call.number('beta', 0.5)), 0, 1),
  HardSwish: (call) => mul(call.tensor(0), clip(add(mul(call.tensor(0), 1 / 6), 0.5), 0, 1)),
  Tanh: unary(tanh),
  Softplus: unary(softplus),
  Gelu: (call) => (call.text('approximate', 'none') === 'tanh' ? geluTanh : gelu)(call.tensor(0)),
  'com.microsoft:Gelu': unary(gelu),
  'com.microsoft:QuickGelu': (call) =>
    mul(call.tensor(0), sigmoid(mul(call.tensor(0), call.number('alpha', 1.702)))),

  // Reductions
  ReduceSum: reduction(sum),
  ReduceMean: reduction(mean),
  ReduceMax: reduction(max),
  ReduceMin: reduction(min),
  ReduceL1: reduction((x, options) => sum(abs(x), options)),
  ReduceL2: reduction((x, options) => sqrt(sum(square(x), options))),
  ReduceSumSquare: reduction((x, options) => sum(square(x), options)),
  GlobalAveragePool: (call) => mean(call.tensor(0), { axes: spatial(call.tensor(0)), keepDims: true }),
  GlobalMaxPool: (call) => max(call.tensor(0), { axes: spatial(call.tensor(0)), keepDims: true }),
  Softmax: softmaxAlong(softmax),
  LogSoftmax: softmaxAlong(logSoftmax),

  // Products and norms
  MatMul: binary(product),
  Gemm: gemm,
  Conv: (call) => conv2d(call.tensor(0), call.tensor(1), call.optional(2), convolution(call)),
  ConvTranspose(call) {
    if (call.list('output_shape')) call.fail('output_shape is not supported');
    const options = { ...convolution(call), outputPadding: call.same('output_padding', 0) };
    return convTranspose2d(call.tensor(0), call.tensor(1), call.optional(2), options);
  },
  BatchNormalization(call) {
    call.require('training_mode', 0);
    const statistics = { mean: call.tensor(3), variance: call.tensor(4) };
    return batchNorm(
      call.tensor(0),
      statistics,
      call.tensor(1),
      call.tensor(2),
      call.number('epsilon', 1e-5),
    );
  },
  InstanceNormalization(call) {
    const x = call.tensor(0);
    return groupNorm(x, x.shape[1], call.tensor(1), call.tensor(2), call.number('epsilon', 1e-5));
  },
  GroupNormalization: (call) =>
    groupNorm(
      call.tensor(0),
      call.number('num_groups'),
      call.tensor(1),
      call.tensor(2),
      call.number('epsilon', 1e-5),
    ),
  LayerNormalization: normalised,
  MaxPool(call) {
    if (call.node.outputs.length > 1) call.fail('indices as an output are not supported');
    return maxPool2d(call.tensor(0), pooling(call));
  },
  AveragePool(call) {
    const options = pooling(call);
    if (options.padding > 0 && call.number('count_include_pad', 0) !== 1) {
      call.fail('padding with count_include_pad 0 is not supported');
    }
    return avgPool2d(call.tensor(0), options);
  },
  Resize: resize,

  // Shapes
  Constant(call) {
    const stored = call.stored('value');
    if (stored && 'data' in stored) return stored;
    const single = call.node.attributes.get('value_float');
    if (typeof single === 'number') return { dtype: 'float32', shape: [], data: Float32Array.of(single) };
    const whole = call.node.attributes.get('value_int');
    if (typeof whole === 'number')
      return { dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(whole)) };
    const list = call.list('value_ints');
    if (list)
      return { dtype: 'int64', shape: [list.length], data: BigInt64Array.from(list, (n) => BigInt(n)) };
    const floats = call.list('value_floats');
    if (floats) return { dtype: 'float32', shape: [floats.length], data: Float32Array.from(floats) };
    return call.fail('holds neither a tensor nor numbers');
  },
  ConstantOfShape(call) {
    const value = call.stored('value');
    const known = value && 'data' in value ? numbersOf(value)[0] : 0;
    if (value && value.dtype !== 'float32') call.fail(`a large constant of ${value.dtype} is not supported`);
    return full(call.numbers(0), known);
  },
  Reshape: (call) => reshape(call.tensor(0), resolveShape(call, call.shape(0), call.numbers(1))),
  Flatten(call) {
    const x = call.tensor(0);
    const axis = call.number('axis', 1);
    const at = axis < 0 ? axis + x.rank : axis;
    return reshape(x, [sizeOf(x.shape.slice(0, at)), sizeOf(x.shape.slice(at))]);
  },
  Squeeze: (call) => reshape(call.tensor(0), squeezed(call.shape(0), axesOf(call))),
  Unsqueeze: (call) =>
    reshape(call.tensor(0), unsqueezed(call, call.shape(0), axesOf(call) ?? call.fail('names no axes'))),
  Transpose: (call) => transpose(call.tensor(0), call.list('perm')),
  Expand(call) {
    const x = call.tensor(0);
    const wanted = call.numbers(1);
    return expand(
      x,
      broadcastShape(x.shape, wanted) ?? call.fail(`${show(x.shape)} does not fit ${show(wanted)}`),
    );
  },
  Concat: (call) => concat(call.tensors(), call.number('axis')),
  Split: pieces,
  Slice(call) {
    const x = call.tensor(0);
    const ranges = sliceRanges(call, x.shape);
    if (ranges.some(({ step }) => step < 1)) call.fail('negative steps are not supported');
    return slice(
      x,
      ranges.map(({ axis, from, to, step }) => ({ axis, start: from, end: Math.max(from, to), step })),
    );
  },
  Gather: (call) => gather(call.tensor(0), call.tensor(1), call.number('axis', 0)),
  Pad: padded,
};

/** Operators that are computed from shapes while importing and leave no node behind. */
export const SHAPE_OPERATORS: ReadonlySet<string> = new Set(['Shape', 'Size', 'Range', 'Floor', 'Ceil']);
