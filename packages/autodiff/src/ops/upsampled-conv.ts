/** @file Convolution of an image at twice its size. */

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
 * `conv2d(resizeNearest(x, 2), weight, bias, { padding: 1 })`, with 4 multiplications for 9 where the weight is a constant
 * that may be copied: each pixel of the doubled image is seen by several of the nine weights, whose sum is taken once,
 * when the program is compiled. Four convolutions with kernels of 2x2, one for each place in a doubled pixel, are the result;
 * on the way back one with a kernel of 4x4 and stride 2.
 *
 * @param x [batch, inChannels, height, width]
 * @param weight [outChannels, inChannels, 3, 3]
 * @param bias [outChannels]
 * @returns [batch, outChannels, 2 * height, 2 * width]
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

/** The pixels of the result that lie at one place, [batch, outChannels, height, width]. */
function atPlace(x: Tensor, weight: Tensor, bias: Tensor | undefined, [row, column]: Place): Tensor {
  const kernel = summed(weight, SEEN_FROM[row], SEEN_FROM[column]);
  return conv2d(x, kernel, bias, { padding: [1 - row, 1 - column, row, column] });
}

/** What three weights are for the two source pixels that the first or the second half of a doubled pixel sees. */
const SEEN_FROM = [sums([1, 0, 0], [0, 1, 1]), sums([1, 1, 0], [0, 0, 1])] as const;

/** What a source pixel gets back from the four doubled ones that saw it. */
const GIVEN_BACK = sums([0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]);

/** A matrix whose rows say which of three weights in a row are added up. */
function sums(...rows: readonly (readonly number[])[]): ConstantSource {
  return { dtype: 'float32', shape: [rows.length, 3], data: Float32Array.from(rows.flat()) };
}

/** Kernels with sums in place of their weights. */
function summed(weight: Tensor, rows: ConstantSource, columns: ConstantSource): Tensor {
  return matmul(matmul(constant(rows), weight), transposeLast(constant(columns)));
}

/** Four images as one of twice the height and width; the places of `PLACES` in its doubled pixels. */
function interleaved(images: readonly Tensor[]): Tensor {
  const [batch, channels, height, width] = images[0].shape as readonly [number, number, number, number];
  const shape: Shape = [batch, channels, 2 * height, 2 * width];
  return emit('DepthToSpace', [concat(images, 1)], images[0].dtype, shape, {
    attributes: { blocksize: 2, mode: 'DCR' },
  });
}
