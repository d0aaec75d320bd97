/** @file Means and extremes over axes; sums are in core.ts. Reference: torch.mean, torch.amax, torch.amin. */
import { differentiableOne, type Tensor } from '../graph/trace.ts';
import { cast, div, equal } from './arithmetic.ts';
import { emitReduce, expand, mul, type ReduceOptions, reduction, reshape, sum } from './core.ts';

/**
 * Mean over `axes`.
 *
 * @throws RangeError where an axis does not exist
 */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  const r = reduction('mean', x, options);
  return differentiableOne(
    'mean',
    [x],
    () => emitReduce('ReduceMean', x, r),
    // dx = dy / count, repeated along the axes
    (dy) => [expand(mul(reshape(dy, r.kept), 1 / r.count), x.shape)],
  );
}

/**
 * Largest value over `axes`. Equal maxima share the gradient evenly, as in torch.amax.
 *
 * @throws RangeError where an axis does not exist
 */
export function max(x: Tensor, options: ReduceOptions = {}): Tensor {
  return extreme('max', 'ReduceMax', x, options);
}

/**
 * Smallest value over `axes`. Equal minima share the gradient evenly, as in torch.amin.
 *
 * @throws RangeError where an axis does not exist
 */
export function min(x: Tensor, options: ReduceOptions = {}): Tensor {
  return extreme('min', 'ReduceMin', x, options);
}

function extreme(who: string, onnx: string, x: Tensor, options: ReduceOptions): Tensor {
  const r = reduction(who, x, options);
  return differentiableOne(
    who,
    [x],
    () => emitReduce(onnx, x, r),
    (dy, y) => {
      // dx = dy [x = y] / number of elements that equal y
      const hit = cast(equal(x, reshape(y, r.kept)), 'float32');
      const share = div(hit, sum(hit, { axes: r.axes, keepDims: true }));
      return [mul(share, reshape(dy, r.kept))];
    },
  );
}
