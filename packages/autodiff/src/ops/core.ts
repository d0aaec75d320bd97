/**
 * @file The few ops whose gradients need each other: the gradient of a sum broadcasts, the gradient of broadcasting sums, and both
 * need products and reshapes. They are in one file so that every other family can import them without a circle.
 *
 * Reference: torch.add, torch.sub, torch.mul, torch.neg, torch.sum, torch.reshape, torch.Tensor.expand.
 */
import { axisOf, broadcastShape, type Shape, sameShape, show, sizeOf } from '../graph/shape.ts';
import { checkTypes, currentTrace, differentiableOne, emit, int64s, scalar, Tensor } from '../graph/trace.ts';

/** A tensor, or a number that stands for a float32 scalar. */
export type Operand = Tensor | number;

export function tensorOf(x: Operand): Tensor {
  return x instanceof Tensor ? x : scalar(x);
}

/** Emits a broadcasting ONNX node. Checks shapes and element types. */
export function emitBroadcast(who: string, onnx: string, a: Tensor, b: Tensor, dtype = a.dtype): Tensor {
  const shape = broadcastShape(a.shape, b.shape);
  if (!shape) {
    throw new RangeError(`${who}: operands do not broadcast, got a ${show(a.shape)} and b ${show(b.shape)}`);
  }
  checkTypes(who, { a, b });
  return emit(onnx, [a, b], dtype, shape);
}

type BinaryRule = (dy: Tensor, a: Tensor, b: Tensor, y: Tensor) => [da: Tensor, db: Tensor];

/** A differentiable element-wise function of two tensors that broadcast. The rule may ignore broadcasting. */
export function binary(who: string, onnx: string, a: Operand, b: Operand, rule: BinaryRule): Tensor {
  currentTrace(who);
  const ta = tensorOf(a);
  const tb = tensorOf(b);
  return differentiableOne(
    who,
    [ta, tb],
    () => emitBroadcast(who, onnx, ta, tb),
    (dy, y) => {
      const [da, db] = rule(dy, ta, tb, y);
      return [sumToShape(da, ta), sumToShape(db, tb)];
    },
  );
}

type UnaryRule = (dy: Tensor, x: Tensor, y: Tensor) => Tensor;

/** A differentiable element-wise function of one tensor. */
export function unary(who: string, onnx: string, x: Tensor, rule: UnaryRule): Tensor {
  return differentiableOne(
    who,
    [x],
    () => emit(onnx, [x], x.dtype, x.shape),
    (dy, y) => [rule(dy, x, y)],
  );
}

/** `a + b`, element by element. Shapes broadcast; the result has the broadcast shape. */
export function add(a: Operand, b: Operand): Tensor {
  // da = dy, db = dy
  return binary('add', 'Add', a, b, (dy) => [dy, dy]);
}

/** `a - b`, element by element. Shapes broadcast; the result has the broadcast shape. */
export function sub(a: Operand, b: Operand): Tensor {
  // da = dy, db = -dy
  return binary('sub', 'Sub', a, b, (dy) => [dy, neg(dy)]);
}

/** `a * b`, element by element. Shapes broadcast; the result has the broadcast shape. */
export function mul(a: Operand, b: Operand): Tensor {
  // da = dy b, db = dy a
  return binary('mul', 'Mul', a, b, (dy, ta, tb) => [mul(dy, tb), mul(dy, ta)]);
}

/** `-x`, element by element. */
export function neg(x: Tensor): Tensor {
  // dx = -dy
  return unary('neg', 'Neg', x, (dy) => neg(dy));
}

/**
 * The same elements in another shape, in row-major order.
 *
 * @param shape the new shape; one length may be -1 and is then computed
 * @throws RangeError where the elements do not fill `shape`
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = shape.reduce((n, length) => (length === -1 ? n : n * length), 1);
  const target = shape.map((length) => (length === -1 ? x.size / known : length));
  if (sizeOf(target) !== x.size || target.some((length) => !Number.isInteger(length))) {
    throw new RangeError(
      `reshape: ${show(x.shape)} holds ${x.size} elements, which do not fill ${show(shape)}`,
    );
  }
  if (sameShape(target, x.shape)) return x;
  return differentiableOne(
    'reshape',
    [x],
    () => emit('Reshape', [x, int64s(target)], x.dtype, target),
    // dx = dy in the shape of x
    (dy) => [reshape(dy, x.shape)],
  );
}

/**
 * Repeats axes of length 1, and missing leading axes, until the shape is `shape`.
 *
 * @throws RangeError where x does not broadcast to `shape`
 */
export function expand(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const result = broadcastShape(x.shape, shape);
  if (!result || !sameShape(result, shape)) {
    throw new RangeError(`expand: ${show(x.shape)} does not broadcast to ${show(shape)}`);
  }
  return differentiableOne(
    'expand',
    [x],
    () => emit('Expand', [x, int64s(shape)], x.dtype, shape),
    // dx = sum of dy over the repeated axes
    (dy) => [sumToShape(dy, x)],
  );
}

/** Sums a cotangent over the axes that broadcasting added or repeated, so that it has the shape of `target`. */
export function sumToShape(cotangent: Tensor, target: Tensor): Tensor {
  if (sameShape(cotangent.shape, target.shape)) return cotangent;
  const extra = cotangent.rank - target.rank;
  const axes: number[] = [];
  cotangent.shape.forEach((length, i) => {
    if (i < extra || (target.shape[i - extra] === 1 && length !== 1)) axes.push(i);
  });
  return reshape(sum(cotangent, { axes, keepDims: true }), target.shape);
}

/** Options of sums, means and extremes. */
export interface ReduceOptions {
  /** Axes to reduce over. Negative axes count from the end. Default: all axes. */
  readonly axes?: readonly number[];
  /** Keeps the reduced axes with length 1. Default false. */
  readonly keepDims?: boolean;
}

/** The shapes of a reduction. */
export interface Reduction {
  /** Axes that are reduced over, in rising order. */
  readonly axes: readonly number[];
  /** Shape of the result with the reduced axes kept. */
  readonly kept: Shape;
  /** Shape of the result. */
  readonly shape: Shape;
  /** Number of elements that each element of the result is made of. */
  readonly count: number;
  readonly keepDims: boolean;
}

export function reduction(who: string, x: Tensor, { axes, keepDims = false }: ReduceOptions): Reduction {
  const reduced = [
    ...new Set((axes ?? x.shape.map((_, i) => i)).map((axis) => axisOf(axis, x.shape, who))),
  ].sort((a, b) => a - b);
  const kept = x.shape.map((length, i) => (reduced.includes(i) ? 1 : length));
  const shape = keepDims ? kept : x.shape.filter((_, i) => !reduced.includes(i));
  const count = sizeOf(reduced.map((axis) => x.shape[axis]));
  return { axes: reduced, kept, shape, count, keepDims };
}

/** Emits an ONNX reduction. */
export function emitReduce(onnx: string, x: Tensor, { axes, shape, keepDims }: Reduction): Tensor {
  if (axes.length === 0) return emit('Identity', [x], x.dtype, x.shape);
  return emit(onnx, [x, int64s(axes)], x.dtype, shape, { attributes: { keepdims: keepDims ? 1 : 0 } });
}

/**
 * Sum over `axes`.
 *
 * @throws RangeError where an axis does not exist
 */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  const r = reduction('sum', x, options);
  return differentiableOne(
    'sum',
    [x],
    () => emitReduce('ReduceSum', x, r),
    // dx = dy, repeated along the axes
    (dy) => [expand(reshape(dy, r.kept), x.shape)],
  );
}
