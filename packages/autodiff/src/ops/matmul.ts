/** @file Matrix products. Reference: torch.matmul, torch.nn.functional.linear. */

import { broadcastShape, show } from '../graph/shape.ts';
import { checkTypes, differentiableOne, emit, type Tensor } from '../graph/trace.ts';
import { reshape, sum, sumToShape } from './core.ts';
import { transpose } from './shape.ts';

/** Swaps the last two axes. Reference: torch.Tensor.mT. */
export function transposeLast(x: Tensor): Tensor {
  const order = x.shape.map((_, i) => i);
  [order[x.rank - 2], order[x.rank - 1]] = [x.rank - 1, x.rank - 2];
  return transpose(x, order);
}

/**
 * The matrix product `a @ b`.
 *
 * @param a [..., m, k]
 * @param b [..., k, n]; leading axes broadcast with those of a
 * @returns [..., m, n]
 * @throws RangeError where the shapes do not fit
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  if (a.rank < 2 || b.rank < 2) {
    throw new RangeError(
      `matmul: operands need two axes or more, got a ${show(a.shape)} and b ${show(b.shape)}`,
    );
  }
  const [m, k] = a.shape.slice(-2) as [number, number];
  const [k2, n] = b.shape.slice(-2) as [number, number];
  const batch = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  if (k !== k2 || !batch) {
    throw new RangeError(
      `matmul: a's last axis must equal b's second to last and leading axes must broadcast, got a ${show(a.shape)} and b ${show(b.shape)}`,
    );
  }
  checkTypes('matmul', { a, b });
  return differentiableOne(
    'matmul',
    [a, b],
    () => emit('MatMul', [a, b], a.dtype, [...batch, m, n]),
    // da = dy bᵀ, db = aᵀ dy, each summed over the axes that were broadcast
    (dy) => {
      if (b.rank === 2 && a.rank > 2) {
        // One product over all rows instead of one per batch entry that is summed afterwards.
        const rows = reshape(a, [-1, k]);
        const drows = reshape(dy, [-1, n]);
        return [matmul(dy, transposeLast(b)), matmul(transposeLast(rows), drows)];
      }
      return [sumToShape(matmul(dy, transposeLast(b)), a), sumToShape(matmul(transposeLast(a), dy), b)];
    },
  );
}

/**
 * `x @ weightᵀ + bias`.
 *
 * @param x [..., inFeatures]
 * @param weight [outFeatures, inFeatures], as torch stores it
 * @param bias [outFeatures]
 * @returns [..., outFeatures]
 * @throws RangeError where the shapes do not fit
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const [outFeatures, inFeatures] = weight.shape;
  if (weight.rank !== 2 || x.rank < 1 || x.shape[x.rank - 1] !== inFeatures) {
    throw new RangeError(
      `linear: x's last axis must equal the weight's second, got x ${show(x.shape)} and weight ${show(weight.shape)}`,
    );
  }
  if (bias && (bias.rank !== 1 || bias.shape[0] !== outFeatures)) {
    throw new RangeError(`linear: bias must be [${outFeatures}], got ${show(bias.shape)}`);
  }
  checkTypes('linear', { x, weight, bias });
  const rows = reshape(x, [-1, inFeatures]);
  const operands = bias ? [rows, weight, bias] : [rows, weight];
  const product = differentiableOne(
    'linear',
    operands,
    () => emit('Gemm', operands, x.dtype, [rows.shape[0], outFeatures], { attributes: { transB: 1 } }),
    // dx = dy weight, dweight = dyᵀ x, dbias = sum of dy over rows
    (dy) => [matmul(dy, weight), matmul(transposeLast(dy), rows), bias && sum(dy, { axes: [0] })],
  );
  return reshape(product, [...x.shape.slice(0, -1), outFeatures]);
}
