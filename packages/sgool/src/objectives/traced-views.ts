/** @file Views of planes inside a trace: crops by matrices, and masks over them. */
import { add, constant, matmul, mul, reshape, sub, type Tensor, transposeLast } from '@sgool/autodiff';
import { CLIP_MEAN } from '../networks/clip/clip.ts';

/** `rows · plane · columnsᵀ` of each plane for each view: [views, planes, side, side], or of other sides as the matrices say. */
export function cropped(planes: Tensor, rows: Tensor, columns: Tensor): Tensor {
  const [views, side, height] = rows.shape;
  const [, across, width] = columns.shape;
  const left = matmul(reshape(rows, [views, 1, side, height]), planes);
  return matmul(left, transposeLast(reshape(columns, [views, 1, across, width])));
}

/** What a mask hides has CLIP's mean colour. */
export function masked(planes: Tensor, masks: Tensor | undefined): Tensor {
  if (masks === undefined) return planes;
  const mean = constant({ dtype: 'float32', shape: [1, 3, 1, 1], data: Float32Array.from(CLIP_MEAN) });
  return add(mean, mul(masks, sub(planes, mean)));
}
