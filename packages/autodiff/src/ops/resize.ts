/** @file Resizes of images, NCHW, to any size; pool.ts has those by a whole factor. Reference: torch.nn.functional.interpolate. */

import { show } from '../graph/shape.ts';
import { type ConstantSource, constant, type Tensor } from '../graph/trace.ts';
import { matmul, transposeLast } from './matmul.ts';

/**
 * Bilinear resize with half-pixel centres (align_corners false) and no antialiasing, as torch and OpenCV do.
 *
 * @param x [batch, channels, h, w]
 * @param height rows of the result, in pixels
 * @param width columns of the result, in pixels
 * @returns [batch, channels, height, width]
 * @throws RangeError where x is no batch of images
 */
export function resizeBilinear(x: Tensor, height: number, width: number): Tensor {
  return resized('resizeBilinear', x, bilinearMatrix, height, width);
}

/**
 * Nearest-neighbour resize to a size: row i of the result is row floor(i·h / height) of x, as torch's mode "nearest" takes it.
 * Where the size is a whole multiple, `resizeNearest` is faster.
 *
 * @param x [batch, channels, h, w]
 * @param height rows of the result, in pixels
 * @param width columns of the result, in pixels
 * @returns [batch, channels, height, width]
 * @throws RangeError where x is no batch of images
 */
export function resizeNearestTo(x: Tensor, height: number, width: number): Tensor {
  return resized('resizeNearestTo', x, nearestMatrix, height, width);
}

/** The product with a matrix on either side, which gives the gradient too. */
function resized(
  op: string,
  x: Tensor,
  matrix: (inLength: number, outLength: number) => ConstantSource,
  height: number,
  width: number,
): Tensor {
  if (x.rank !== 4) throw new RangeError(`${op}: needs [batch, channels, h, w], got ${show(x.shape)}`);
  const rows = constant(matrix(x.shape[2], height));
  const columns = constant(matrix(x.shape[3], width));
  return matmul(matmul(rows, x), transposeLast(columns));
}

/** A one in each row, where the nearest source is, [outLength, inLength]. */
function nearestMatrix(inLength: number, outLength: number): ConstantSource {
  const data = new Float32Array(outLength * inLength);
  for (let i = 0; i < outLength; i++) data[i * inLength + Math.floor((i * inLength) / outLength)] = 1;
  return { dtype: 'float32', shape: [outLength, inLength], data };
}

/** The weights of a bilinear resize along one axis, [outLength, inLength]. */
function bilinearMatrix(inLength: number, outLength: number): ConstantSource {
  const data = new Float32Array(outLength * inLength);
  for (let i = 0; i < outLength; i++) {
    const position = Math.min(Math.max(((i + 0.5) * inLength) / outLength - 0.5, 0), inLength - 1);
    const low = Math.floor(position);
    const high = Math.min(low + 1, inLength - 1);
    data[i * inLength + low] += 1 - (position - low);
    data[i * inLength + high] += position - low;
  }
  return { dtype: 'float32', shape: [outLength, inLength], data };
}
