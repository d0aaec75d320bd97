/** @file Latents as sequences of patches, and back. */
import { reshape, type Tensor, transpose } from '@sgool/autodiff';

/** [batch, channels, h, w] to [batch, h/side * w/side, channels * side²], row by row; within a token the channel comes first. */
export function toPatches(x: Tensor, side: number): Tensor {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const [rows, columns] = [height / side, width / side];
  const blocks = reshape(x, [batch, channels, rows, side, columns, side]);
  return reshape(transpose(blocks, [0, 2, 4, 1, 3, 5]), [batch, rows * columns, channels * side * side]);
}

/**
 * The inverse of `toPatches`.
 *
 * @param channelLast whether the channel comes last within a token
 */
export function fromPatches(
  x: Tensor,
  side: number,
  [rows, columns]: readonly [number, number],
  { channelLast = false }: { channelLast?: boolean } = {},
): Tensor {
  const [batch, , width] = x.shape as [number, number, number];
  const channels = width / (side * side);
  const blocks = channelLast
    ? transpose(reshape(x, [batch, rows, columns, side, side, channels]), [0, 5, 1, 3, 2, 4])
    : transpose(reshape(x, [batch, rows, columns, channels, side, side]), [0, 3, 1, 4, 2, 5]);
  return reshape(blocks, [batch, channels, rows * side, columns * side]);
}
