/**
 * @file Order of execution. ONNX Runtime runs nodes in an order of its own and merges equal ones; the only thing that holds
 * one computation back until another is done is a dependency between them.
 */

import { emit, int64s, scalar, type Tensor } from '../graph/trace.ts';
import { cast } from './arithmetic.ts';
import { add } from './core.ts';

/**
 * From this size on, what an op computed point by point is computed again on the way back and not remembered: there memory
 * is worth more than a few passes over it. A constant of the second computation is tied to the cotangent.
 */
export const REMEMBERED_BYTES = 2 ** 22;

/** `x`, but not before every tensor of `after` is there, and never merged with what is computed from `x` itself. */
export function controlDependency(x: Tensor, after: readonly Tensor[]): Tensor {
  if (x.dtype === 'bool') return x;
  return after.reduce((t, other) => add(t, cast(zeroAfter(other), x.dtype)), x);
}

/** A zero that depends on `t` whatever it holds (NaN and infinity included) and that no optimiser folds away. */
function zeroAfter(t: Tensor): Tensor {
  const flat = emit('Reshape', [t, int64s([-1])], t.dtype, [t.size]);
  const element = emit('Slice', [flat, int64s([0]), int64s([1])], t.dtype, [1]);
  const greater = emit('Greater', [element, scalar(Number.POSITIVE_INFINITY)], 'bool', [1]);
  return emit('Cast', [greater], 'float32', [1], { attributes: { to: 1 } });
}
