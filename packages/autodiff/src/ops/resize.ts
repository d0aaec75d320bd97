/** @file Bilinear resize of images, NCHW; pool.ts has the nearest. Reference: torch.nn.functional.interpolate. */

import { show } from '../graph/shape.ts';
import { type ConstantSource, constant, type Tensor } from '../graph/trace.ts';
import { matmul, transposeLast } from './matmul.ts';

/**
 * Bilinear resize with half-pixel centres (align_corners false) and no antialiasing, as torch and OpenCV do. It is a product
 * with a matrix on either side, which gives its gradient too.
 *
 * @param x [batch, channels, h, w]
 * @param height rows of the result, in pixels
 * @param width columns of the result, in pixels
 * @returns [batch, channels, height, width]
 * @throws RangeError where x is no batch of images
 */
export function resizeBilinear(x: Tensor, height: number, width: number): Tensor {
  if (x.rank !== 4)
    throw new RangeError(`resizeBilinear: needs [batch, channels, h, w], got ${show(x.shape)}`);
  const rows = constant(bilinearMatrix(x.shape[2], height));
  const columns = constant(bilinearMatrix(x.shape[3], width));
  return matmul(matmul(rows, x), transposeLast(columns));
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
