/**
 * @file Ops that move elements without computing: transpose, slice, concat, split, pad. reshape and expand are in core.ts.
 *
 * Reference: torch.permute, torch.narrow, torch.cat, torch.split, torch.stack, torch.nn.functional.pad.
 */
import { axisOf, type Shape, sameShape, show } from '../graph/shape.ts';
import {
  checkTypes,
  differentiable,
  differentiableOne,
  emit,
  emitMany,
  int64s,
  scalar,
  type Tensor,
} from '../graph/trace.ts';
import { reshape } from './core.ts';

/**
 * Permutes the axes.
 *
 * @param order axis i of the result is axis order[i] of x. Default: all axes reversed
 * @throws RangeError where `order` does not name each axis once
 */
export function transpose(
  x: Tensor,
  order: readonly number[] = x.shape.map((_, i) => x.rank - 1 - i),
): Tensor {
  if (
    order.length !== x.rank ||
    new Set(order).size !== x.rank ||
    order.some((axis) => axis < 0 || axis >= x.rank)
  ) {
    throw new RangeError(`transpose: order must name each axis of ${show(x.shape)} once, got ${show(order)}`);
  }
  if (order.every((axis, i) => axis === i)) return x;
  return differentiableOne(
    'transpose',
    [x],
    () =>
      emit(
        'Transpose',
        [x],
        x.dtype,
        order.map((axis) => x.shape[axis]),
        { attributes: { perm: order } },
      ),
    // dx = dy with the axes in their old order
    (dy) => {
      const inverse: number[] = [];
      order.forEach((axis, i) => {
        inverse[axis] = i;
      });
      return [transpose(dy, inverse)];
    },
  );
}

/** Zeros of the shape and type of `x`. No gradient flows to x. */
export function zerosLike(x: Tensor): Tensor {
  return emit('Expand', [scalar(0, x.dtype), int64s(x.shape)], x.dtype, x.shape);
}

/** A float32 tensor that holds one value everywhere. */
export function full(shape: Shape, value: number): Tensor {
  return emit('Expand', [scalar(value), int64s(shape)], 'float32', shape);
}

/** A range along one axis, for `slice`. */
export interface AxisSlice {
  /** Negative axes count from the end. */
  readonly axis: number;
  /** First index taken. Negative counts from the end. */
  readonly start: number;
  /** First index no longer taken. Negative counts from the end. Default: the length of the axis. */
  readonly end?: number;
  /** Positive step. Default 1. */
  readonly step?: number;
}

/**
 * Takes a range along each of some axes.
 *
 * @throws RangeError where a range reaches outside of its axis
 */
export function slice(x: Tensor, ranges: readonly AxisSlice[]): Tensor {
  const shape = [...x.shape];
  const resolved = ranges.map(({ axis, start, end, step = 1 }) => {
    const a = axisOf(axis, x.shape, 'slice');
    const length = x.shape[a];
    const from = start < 0 ? start + length : start;
    const to = end === undefined ? length : end < 0 ? end + length : end;
    if (from < 0 || to > length || from > to || !(step >= 1)) {
      throw new RangeError(
        `slice: range ${from}..${to} step ${step} does not lie in axis ${a} of ${show(x.shape)}`,
      );
    }
    shape[a] = Math.ceil((to - from) / step);
    return { axis: a, from, to, step };
  });
  if (sameShape(shape, x.shape)) return x;
  return differentiableOne(
    'slice',
    [x],
    () =>
      emit(
        'Slice',
        [
          x,
          int64s(resolved.map((r) => r.from)),
          int64s(resolved.map((r) => r.to)),
          int64s(resolved.map((r) => r.axis)),
          int64s(resolved.map((r) => r.step)),
        ],
        x.dtype,
        shape,
      ),
    // dx = dy at the taken places, zeros elsewhere
    (dy) => {
      let spread = dy;
      for (const { axis, step } of resolved) if (step > 1) spread = interleaveZeros(spread, axis, step);
      const before = x.shape.map(() => 0);
      const after = x.shape.map(() => 0);
      for (const { axis, from } of resolved) {
        before[axis] = from;
        after[axis] = x.shape[axis] - from - spread.shape[axis];
      }
      // The zeros after the last taken element may reach past the end of the axis.
      const cut = after.flatMap((n, axis) =>
        n < 0 ? [{ axis, start: 0, end: spread.shape[axis] + n }] : [],
      );
      return [
        pad(
          slice(spread, cut),
          before,
          after.map((n) => Math.max(n, 0)),
        ),
      ];
    },
  );
}

/** Puts step - 1 zeros after each element of an axis. */
function interleaveZeros(x: Tensor, axis: number, step: number): Tensor {
  const split = [...x.shape.slice(0, axis + 1), 1, ...x.shape.slice(axis + 1)];
  const after = split.map(() => 0);
  after[axis + 1] = step - 1;
  const padded = pad(
    reshape(x, split),
    split.map(() => 0),
    after,
  );
  return reshape(
    padded,
    x.shape.map((length, i) => (i === axis ? length * step : length)),
  );
}

/**
 * Pads with a constant.
 *
 * @param before number of elements before axis i, for each axis
 * @param after number of elements after axis i, for each axis
 * @throws RangeError where an amount is missing or negative
 */
export function pad(x: Tensor, before: readonly number[], after: readonly number[], value = 0): Tensor {
  if (before.length !== x.rank || after.length !== x.rank || [...before, ...after].some((n) => !(n >= 0))) {
    throw new RangeError(
      `pad: needs a non-negative amount for both ends of each axis of ${show(x.shape)}, got ${show(before)} and ${show(after)}`,
    );
  }
  if ([...before, ...after].every((n) => n === 0)) return x;
  const shape = x.shape.map((length, i) => length + before[i] + after[i]);
  return differentiableOne(
    'pad',
    [x],
    () => emit('Pad', [x, int64s([...before, ...after]), scalar(value, x.dtype)], x.dtype, shape),
    // dx = the middle of dy
    (dy) => [
      slice(
        dy,
        x.shape.map((length, axis) => ({ axis, start: before[axis], end: before[axis] + length })),
      ),
    ],
  );
}

/** `length` elements of an axis from `start` on. Outside of the axis there are zeros. */
export function window(x: Tensor, axis: number, start: number, length: number): Tensor {
  const a = axisOf(axis, x.shape, 'window');
  const before = -start;
  const after = start + length - x.shape[a];
  if (before === 0 && after === 0) return x;
  // A negative amount of padding drops elements.
  const at = (amount: number) => x.shape.map((_, i) => (i === a ? amount : 0));
  const shape = x.shape.map((n, i) => (i === a ? length : n));
  if (start >= x.shape[a] || start + length <= 0) return full(shape, 0);
  return differentiableOne(
    'window',
    [x],
    () => emit('Pad', [x, int64s([...at(before), ...at(after)]), scalar(0, x.dtype)], x.dtype, shape),
    // dx = the window of dy that lies where x was
    (dy) => [window(dy, a, before, x.shape[a])],
  );
}

/**
 * Concatenates tensors along an axis.
 *
 * @throws RangeError where shapes differ along another axis, or there is no tensor
 */
export function concat(tensors: readonly Tensor[], axis: number): Tensor {
  const first = tensors[0];
  if (!first) throw new RangeError('concat: needs at least one tensor, got none');
  const a = axisOf(axis, first.shape, 'concat');
  for (const t of tensors) {
    if (t.rank !== first.rank || t.shape.some((length, i) => i !== a && length !== first.shape[i])) {
      throw new RangeError(
        `concat: operands may differ only along axis ${a}, got ${tensors.map((x) => show(x.shape)).join(' and ')}`,
      );
    }
  }
  if (tensors.length === 1) return first;
  checkTypes('concat', Object.fromEntries(tensors.map((t, i) => [`operand ${i}`, t])));
  const shape = first.shape.map((length, i) =>
    i === a ? tensors.reduce((n, t) => n + t.shape[a], 0) : length,
  );
  return differentiableOne(
    'concat',
    tensors,
    () => emit('Concat', tensors, first.dtype, shape, { attributes: { axis: a } }),
    // dx of each operand = its part of dy
    (dy) =>
      split(
        dy,
        tensors.map((t) => t.shape[a]),
        a,
      ),
  );
}

/**
 * Splits a tensor along an axis into pieces of the given lengths.
 *
 * @throws RangeError where the lengths do not add up to that of the axis
 */
export function split(x: Tensor, lengths: readonly number[], axis: number): Tensor[] {
  const a = axisOf(axis, x.shape, 'split');
  const total = lengths.reduce((n, length) => n + length, 0);
  if (total !== x.shape[a]) {
    throw new RangeError(
      `split: lengths ${show(lengths)} sum to ${total}, axis ${a} of ${show(x.shape)} has ${x.shape[a]}`,
    );
  }
  if (lengths.length === 1) return [x];
  const shapes = lengths.map((length) => x.shape.map((l, i) => (i === a ? length : l)));
  return differentiable(
    'split',
    [x],
    () =>
      emitMany(
        'Split',
        [x, int64s(lengths)],
        shapes.map((shape) => ({ dtype: x.dtype, shape })),
        {
          attributes: { axis: a },
        },
      ) as readonly Tensor[],
    // dx = the dy of all pieces, concatenated; zeros for pieces that are not used
    (cotangents, outputs) => [
      concat(
        cotangents.map((dy, i) => dy ?? zerosLike(outputs[i])),
        a,
      ),
    ],
  ) as Tensor[];
}

/**
 * Stacks tensors of one shape along a new axis.
 *
 * @throws RangeError where the shapes differ, or there is no tensor
 */
export function stack(tensors: readonly Tensor[], axis: number): Tensor {
  const first = tensors[0];
  if (!first) throw new RangeError('stack: needs at least one tensor, got none');
  const a = axisOf(axis, [...first.shape, 1], 'stack');
  const odd = tensors.find((t) => !sameShape(t.shape, first.shape));
  if (odd) {
    throw new RangeError(
      `stack: operands must have one shape, got ${show(first.shape)} and ${show(odd.shape)}`,
    );
  }
  const widened = [...first.shape.slice(0, a), 1, ...first.shape.slice(a)];
  return concat(
    tensors.map((t) => reshape(t, widened)),
    a,
  );
}
