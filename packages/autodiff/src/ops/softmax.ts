/** @file Softmax and its logarithm. Reference: torch.softmax, torch.log_softmax. */

import { axisOf } from '../graph/shape.ts';
import { differentiableOne, emit, type Tensor } from '../graph/trace.ts';
import { exp } from './arithmetic.ts';
import { mul, sub, sum } from './core.ts';

/**
 * `exp(x) / sum(exp(x))` along an axis. The result has the shape of x.
 *
 * @param axis default: the last
 * @throws RangeError where the axis does not exist
 */
export function softmax(x: Tensor, axis = -1): Tensor {
  const a = axisOf(axis, x.shape, 'softmax');
  return differentiableOne(
    'softmax',
    [x],
    () => emit('Softmax', [x], x.dtype, x.shape, { attributes: { axis: a } }),
    (dy, y) => {
      // dx = y (dy - sum(dy y))
      const weighted = mul(dy, y);
      return [sub(weighted, mul(y, sum(weighted, { axes: [a], keepDims: true })))];
    },
  );
}

/**
 * `log(softmax(x))` along an axis, stable. The result has the shape of x.
 *
 * @param axis default: the last
 * @throws RangeError where the axis does not exist
 */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  const a = axisOf(axis, x.shape, 'logSoftmax');
  return differentiableOne(
    'logSoftmax',
    [x],
    () => emit('LogSoftmax', [x], x.dtype, x.shape, { attributes: { axis: a } }),
    // dx = dy - exp(y) sum(dy)
    (dy, y) => [sub(dy, mul(exp(y), sum(dy, { axes: [a], keepDims: true })))],
  );
}
