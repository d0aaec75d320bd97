/**
 * @file Order of execution. ONNX Runtime chooses the order of nodes and merges equal ones. Only a dependency makes one
 * computation wait for another.
 */

import { emit, int64s, scalar, type Tensor } from '../graph/trace.ts';
import { cast } from './arithmetic.ts';
import { add } from './core.ts';

/**
 * From this size on, the backward pass recomputes element-wise results instead of storing them, because memory then matters
 * more than a few passes over it. A constant of the recomputation depends on the cotangent.
 */
export const RECOMPUTED_BYTES = 2 ** 22;

/**
 * The values of `x`, available only after every tensor of `after`, and never merged with what is computed from `x` itself.
 * The gradient flows to `x` alone.
 */
export function controlDependency(x: Tensor, after: readonly Tensor[]): Tensor {
  if (x.dtype === 'bool') return x;
  return after.reduce((t, other) => add(t, cast(zeroAfter(other), x.dtype)), x);
}

/** A zero that depends on `t`, whatever it holds (NaN and infinity included), and that no optimiser folds away. */
function zeroAfter(t: Tensor): Tensor {
  const flat = emit('Reshape', [t, int64s([-1])], t.dtype, [t.size]);
  const element = emit('Slice', [flat, int64s([0]), int64s([1])], t.dtype, [1]);
  const greater = emit('Greater', [element, scalar(Number.POSITIVE_INFINITY)], 'bool', [1]);
  return emit('Cast', [greater], 'float32', [1], { attributes: { to: 1 } });
}
