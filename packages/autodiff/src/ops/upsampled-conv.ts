/** @file A 3x3 convolution of an image at twice its size, in fewer multiplications. */

import { type Shape, show } from '../graph/shape.ts';
import { type ConstantSource, constant, differentiableOne, emit, type Tensor } from '../graph/trace.ts';
import { conv2d, isWorthCopying, weightGradient } from './conv.ts';
import { sum } from './core.ts';
import { matmul, transposeLast } from './matmul.ts';
import { resizeNearest } from './pool.ts';
import { concat, transpose } from './shape.ts';

const BACK = { stride: 2, padding: 1 } as const;
const KEEPS_SIZE = { stride: 1, pads: [1, 1, 1, 1], dilation: 1, groups: 1 } as const;

/**
 * `conv2d(resizeNearest(x, 2), weight, bias, { padding: 1 })`. Where the weight is a constant that may be copied, this takes 4
 * multiplications for 9: several of the nine weights meet the same source pixel, and their sum is taken once, when the
 * program is compiled. What remains is four convolutions with 2x2 kernels, one for each position in a doubled pixel. The
 * backward pass is one convolution with a 4x4 kernel and stride 2.
 *
 * @param x [batch, inChannels, height, width]
 * @param weight [outChannels, inChannels, 3, 3]
 * @param bias [outChannels]
 * @returns [batch, outChannels, 2 * height, 2 * width]
 * @throws RangeError where x is no batch of images or the kernel is not 3x3
 *
 * Reference: torch.nn.functional.interpolate with mode="nearest", then torch.nn.functional.conv2d.
 */
export function upsampledConv2d(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  if (x.rank !== 4 || weight.rank !== 4 || weight.shape[2] !== 3 || weight.shape[3] !== 3) {
    throw new RangeError(
      `upsampledConv2d: needs x [batch, in, h, w] and weight [out, in, 3, 3], got x ${show(x.shape)} and weight ${show(weight.shape)}`,
    );
  }
  if (!weight.trace.folded.has(weight) || !isWorthCopying(weight)) {
    return conv2d(resizeNearest(x, 2), weight, bias, { padding: 1 });
  }
  return differentiableOne(
    'upsampledConv2d',
    bias ? [x, weight, bias] : [x, weight],
    () => interleaved(PLACES.map((place) => atPlace(x, weight, bias, place))),
    // dx = dy * K with stride 2, K the 4x4 sums of mirrored weights; dweight and dbias as of the plain convolution
    (dy) => [
      conv2d(dy, summed(transpose(weight, [1, 0, 2, 3]), GIVEN_BACK, GIVEN_BACK), undefined, BACK),
      weightGradient(dy, resizeNearest(x, 2), weight, KEEPS_SIZE),
      bias && sum(dy, { axes: [0, 2, 3] }),
    ],
  );
}

/** Row and column in a doubled pixel. */
type Place = readonly [row: 0 | 1, column: 0 | 1];
const PLACES: readonly Place[] = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
];

/** The pixels of the result at one position, [batch, outChannels, height, width]. */
function atPlace(x: Tensor, weight: Tensor, bias: Tensor | undefined, [row, column]: Place): Tensor {
  const kernel = summed(weight, SEEN_FROM[row], SEEN_FROM[column]);
  return conv2d(x, kernel, bias, { padding: [1 - row, 1 - column, row, column] });
}

/** Which of three weights meet each of two source pixels, for the first and for the second half of a doubled pixel. */
const SEEN_FROM = [sums([1, 0, 0], [0, 1, 1]), sums([1, 1, 0], [0, 0, 1])] as const;

/** Which of three weights a source pixel meets from each of the four doubled pixels that it contributes to. */
const GIVEN_BACK = sums([0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]);

/** A matrix; each row says which of three neighbouring weights are added. */
function sums(...rows: readonly (readonly number[])[]): ConstantSource {
  return { dtype: 'float32', shape: [rows.length, 3], data: Float32Array.from(rows.flat()) };
}

/** Kernels of sums of weights. */
function summed(weight: Tensor, rows: ConstantSource, columns: ConstantSource): Tensor {
  return matmul(matmul(constant(rows), weight), transposeLast(constant(columns)));
}

/** Four images as one of twice the height and width, in the order of `PLACES`. */
function interleaved(images: readonly Tensor[]): Tensor {
  const [batch, channels, height, width] = images[0].shape as readonly [number, number, number, number];
  const shape: Shape = [batch, channels, 2 * height, 2 * width];
  return emit('DepthToSpace', [concat(images, 1)], images[0].dtype, shape, {
    attributes: { blocksize: 2, mode: 'DCR' },
  });
}
