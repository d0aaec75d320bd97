/** @file Sums, means and extremes over axes. Reference: torch.sum, torch.mean, torch.amax. */
import { axisOf } from '../graph/shape.ts';
import { differentiableOne, emit, int64s, type Tensor } from '../graph/trace.ts';
import { cast, div, equal, mul } from './arithmetic.ts';
import { expand, reshape } from './shape.ts';

export interface ReduceOptions {
  /** Axes to reduce over, negative ones count from the end; all of them unless given. */
  readonly axes?: readonly number[];
  /** Keep the reduced axes with length 1. */
  readonly keepDims?: boolean;
}

function plan(who: string, x: Tensor, { axes, keepDims = false }: ReduceOptions) {
  const reduced = [
    ...new Set((axes ?? x.shape.map((_, i) => i)).map((axis) => axisOf(axis, x.shape, who))),
  ].sort((a, b) => a - b);
  const kept = x.shape.map((length, i) => (reduced.includes(i) ? 1 : length));
  const shape = keepDims ? kept : x.shape.filter((_, i) => !reduced.includes(i));
  const count = reduced.reduce((n, axis) => n * x.shape[axis], 1);
  return { reduced, kept, shape, count, keepDims };
}

function emitReduce(onnx: string, x: Tensor, p: ReturnType<typeof plan>): Tensor {
  if (p.reduced.length === 0) return emit('Identity', [x], x.dtype, x.shape);
  return emit(onnx, [x, int64s(p.reduced)], x.dtype, p.shape, {
    attributes: { keepdims: p.keepDims ? 1 : 0 },
  });
}

/** Sum over `axes`. */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  const p = plan('sum', x, options);
  return differentiableOne(
    'sum',
    [x],
    () => emitReduce('ReduceSum', x, p),
    (dy) => [expand(reshape(dy, p.kept), x.shape)],
  );
}

/** Mean over `axes`. */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  const p = plan('mean', x, options);
  return differentiableOne(
    'mean',
    [x],
    () => emitReduce('ReduceMean', x, p),
    (dy) => [expand(mul(reshape(dy, p.kept), 1 / p.count), x.shape)],
  );
}

/** Largest value over `axes`; equal maxima share the gradient evenly, as in torch.amax. */
export function max(x: Tensor, options: ReduceOptions = {}): Tensor {
  return extreme('max', 'ReduceMax', x, options);
}

/** Smallest value over `axes`; equal minima share the gradient evenly, as in torch.amin. */
export function min(x: Tensor, options: ReduceOptions = {}): Tensor {
  return extreme('min', 'ReduceMin', x, options);
}

function extreme(who: string, onnx: string, x: Tensor, options: ReduceOptions): Tensor {
  const p = plan(who, x, options);
  return differentiableOne(
    who,
    [x],
    () => emitReduce(onnx, x, p),
    (dy, y) => {
      const hit = cast(equal(x, reshape(y, p.kept)), 'float32');
      const share = div(hit, sum(hit, { axes: p.reduced, keepDims: true }));
      return [mul(share, reshape(dy, p.kept))];
    },
  );
}
