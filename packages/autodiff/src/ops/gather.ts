/** @file Picking rows by index. Reference: torch.nn.functional.embedding, torch.index_select. */

import { axisOf, show } from '../graph/shape.ts';
import { differentiableOne, emit, type Tensor } from '../graph/trace.ts';
import { cast } from './arithmetic.ts';
import { reshape } from './core.ts';
import { full, transpose } from './shape.ts';

/**
 * Takes the slices of `x` along `axis` that `indices` (int32 or int64, any shape) name. The axis is replaced by the
 * shape of `indices`. Repeated indices add their gradients.
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
      // Of a table of half precision only the rows that are taken are cast.
      const half = x.trace.widened.get(x);
      if (half) return cast(emit('Gather', [half, indices], half.dtype, shape, { attributes }), x.dtype);
      return emit('Gather', [x, indices], x.dtype, shape, { attributes });
    },
    (dy) => [scatterRows(x, indices, dy, a)],
  );
}

/** The transpose of gather: adds the slices of dy into zeros of x's shape. */
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
    (ddx) => [gather(ddx, indices, axis)],
  );
}

/** Rows of `table` [count, width] for each id; the result is [...ids.shape, width]. */
export function embedding(ids: Tensor, table: Tensor): Tensor {
  if (table.rank !== 2)
    throw new RangeError(`embedding: the table must be [count, width], got ${show(table.shape)}`);
  return gather(table, ids, 0);
}
