/** @file Rows by index. Reference: torch.nn.functional.embedding, torch.index_select. */

import { isFloat8 } from '../graph/dtype.ts';
import { axisOf, show } from '../graph/shape.ts';
import { differentiableOne, emit, type Tensor } from '../graph/trace.ts';
import { cast } from './arithmetic.ts';
import { reshape } from './core.ts';
import { full, transpose } from './shape.ts';

/**
 * The slices of `x` along `axis` at `indices`. Repeated indices add their gradients.
 *
 * @param indices int32 or int64, any shape, each in [0, length of the axis)
 * @returns the shape of x with `axis` replaced by the shape of `indices`
 * @throws RangeError where the axis does not exist
 * @throws TypeError where the indices are no integers
 */
export function gather(x: Tensor, indices: Tensor, axis = 0): Tensor {
  const a = axisOf(axis, x.shape, 'gather');
  if (indices.dtype !== 'int32' && indices.dtype !== 'int64') {
    throw new TypeError(`gather: indices must be int32 or int64, got ${indices}`);
  }
  const shape = [...x.shape.slice(0, a), ...indices.shape, ...x.shape.slice(a + 1)];
  return differentiableOne(
    'gather',
    [x],
    () => {
      const attributes = { axis: a };
      // Only the rows that are taken from a table of half precision are cast. Of 8 bits, ONNX Runtime takes no rows.
      const half = x.trace.widened.get(x);
      if (half && !isFloat8(half.dtype))
        return cast(emit('Gather', [half, indices], half.dtype, shape, { attributes }), x.dtype);
      return emit('Gather', [x, indices], x.dtype, shape, { attributes });
    },
    // dx = zeros with dy added at the indices
    (dy) => [scatterRows(x, indices, dy, a)],
  );
}

/** The transpose of gather: adds the slices of dy to zeros of x's shape. */
function scatterRows(x: Tensor, indices: Tensor, dy: Tensor, axis: number): Tensor {
  const toFront = [axis, ...x.shape.map((_, i) => i).filter((i) => i !== axis)];
  const frontShape = toFront.map((i) => x.shape[i]);
  const indexAxes = indices.shape.map((_, i) => axis + i);
  const dyOrder = [...indexAxes, ...dy.shape.map((_, i) => i).filter((i) => !indexAxes.includes(i))];
  const back: number[] = [];
  toFront.forEach((from, i) => {
    back[from] = i;
  });
  return differentiableOne(
    'scatterRows',
    [dy],
    () => {
      const rows = reshape(transpose(dy, dyOrder), [indices.size, ...frontShape.slice(1)]);
      const places = cast(reshape(indices, [indices.size, 1]), 'int64');
      const attributes = { reduction: 'add' };
      const operands = [full(frontShape, 0), places, rows];
      return transpose(emit('ScatterND', operands, x.dtype, frontShape, { attributes }), back);
    },
    // ddy = rows of ddx at the indices
    (ddx) => [gather(ddx, indices, axis)],
  );
}

/**
 * The row of a table for each id.
 *
 * @param ids int32 or int64, any shape
 * @param table [count, width]
 * @returns [...ids.shape, width]
 * @throws RangeError where the table is no matrix
 */
export function embedding(ids: Tensor, table: Tensor): Tensor {
  if (table.rank !== 2)
    throw new RangeError(`embedding: the table must be [count, width], got ${show(table.shape)}`);
  return gather(table, ids, 0);
}
