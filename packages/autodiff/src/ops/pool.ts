/**
 * @file Pooling, NCHW, and nearest resize: repeating pixels is the transpose of summing them, so each is the gradient of the other.
 *
 * Reference: torch.nn.functional.{max_pool2d,avg_pool2d,interpolate}.
 */

import { type Shape, show, sizeOf } from '../graph/shape.ts';
import {
  type ConstantSource,
  constant,
  differentiable,
  differentiableOne,
  emit,
  emitMany,
  type Tensor,
} from '../graph/trace.ts';
import { convTranspose2d } from './conv.ts';
import { mul, reshape } from './core.ts';
import { gather } from './gather.ts';
import { full, pad, slice } from './shape.ts';

/** Options of pooling. */
export interface PoolOptions {
  /** Side of the window, in pixels. */
  readonly kernel: number;
  /** Pixels from one window to the next. Default: the side of the window. */
  readonly stride?: number;
  /** Pixels added on all four sides. Default 0. */
  readonly padding?: number;
}

function pooledShape(
  who: string,
  x: Tensor,
  { kernel, stride = kernel, padding = 0 }: PoolOptions,
): number[] {
  if (x.rank !== 4) throw new RangeError(`${who}: needs [batch, channels, h, w], got ${show(x.shape)}`);
  const length = (n: number) => Math.floor((n + 2 * padding - kernel) / stride) + 1;
  const shape = [x.shape[0], x.shape[1], length(x.shape[2]), length(x.shape[3])];
  if (shape.some((n) => n < 1))
    throw new RangeError(`${who}: window ${kernel} does not fit x ${show(x.shape)}`);
  return shape;
}

function attributes({ kernel, stride = kernel, padding = 0 }: PoolOptions) {
  return {
    kernel_shape: [kernel, kernel],
    strides: [stride, stride],
    pads: [padding, padding, padding, padding],
  };
}

/**
 * Largest value of each window. The gradient goes to the first of equal values, as in torch.
 *
 * @param x [batch, channels, h, w]
 * @returns [batch, channels, floor((h + 2 padding - kernel) / stride) + 1, the same for w]
 * @throws RangeError where the window does not fit
 */
export function maxPool2d(x: Tensor, options: PoolOptions): Tensor {
  const shape = pooledShape('maxPool2d', x, options);
  const [y] = differentiable(
    'maxPool2d',
    [x],
    () =>
      emitMany('MaxPool', [x], [{ shape }, { shape, dtype: 'int64' }], {
        attributes: attributes(options),
      }) as readonly Tensor[],
    // dx = zeros with dy added where each maximum was
    ([dy], [, indices]) => (dy ? [unpool(dy, indices, x.shape)] : []),
  );
  return y;
}

/** Adds each element of dy to zeros of `shape`, at its flat index. */
function unpool(dy: Tensor, indices: Tensor, shape: Shape): Tensor {
  const size = sizeOf(shape);
  const places = reshape(indices, [-1]);
  return differentiableOne(
    'unpool',
    [dy],
    () => {
      const operands = [full([size], 0), places, reshape(dy, [-1])];
      const attributes = { axis: 0, reduction: 'add' };
      return reshape(emit('ScatterElements', operands, dy.dtype, [size], { attributes }), shape);
    },
    // ddy = elements of ddx at the indices
    (ddx) => [reshape(gather(reshape(ddx, [-1]), places), dy.shape)],
  );
}

/**
 * Mean of each window. Padding counts as zeros, as by default in torch.
 *
 * @param x [batch, channels, h, w]
 * @returns [batch, channels, floor((h + 2 padding - kernel) / stride) + 1, the same for w]
 * @throws RangeError where the window does not fit
 */
export function avgPool2d(x: Tensor, options: PoolOptions): Tensor {
  const shape = pooledShape('avgPool2d', x, options);
  return differentiableOne(
    'avgPool2d',
    [x],
    () =>
      emit('AveragePool', [x], x.dtype, shape, {
        attributes: { ...attributes(options), count_include_pad: 1 },
      }),
    // dx = dy / area, spread over each window
    (dy) => {
      const { kernel, stride = kernel, padding = 0 } = options;
      const [batch, channels, height, width] = x.shape as [number, number, number, number];
      const [, , outHeight, outWidth] = shape as [number, number, number, number];
      if (
        stride === kernel &&
        padding === 0 &&
        outHeight * kernel === height &&
        outWidth * kernel === width
      ) {
        return [mul(resizeNearest(dy, kernel), 1 / (kernel * kernel))];
      }
      // Windows that overlap: for each channel the transposed convolution with a box of weight 1 / area.
      const maps = reshape(dy, [batch * channels, 1, outHeight, outWidth]);
      const spread = convTranspose2d(maps, full([1, 1, kernel, kernel], 1 / (kernel * kernel)), undefined, {
        stride,
      });
      const missing = [height, width].map((n, i) => n + 2 * padding - spread.shape[i + 2]);
      const covered = pad(spread, [0, 0, 0, 0], [0, 0, missing[0], missing[1]]);
      const inner = slice(covered, [
        { axis: 2, start: padding, end: padding + height },
        { axis: 3, start: padding, end: padding + width },
      ]);
      return [reshape(inner, x.shape)];
    },
  );
}

/**
 * Repeats each pixel `factor` times along both axes.
 *
 * @param x [batch, channels, h, w]
 * @returns [batch, channels, factor h, factor w]
 * @throws RangeError where x is no batch of images or the factor is not a positive integer
 */
export function resizeNearest(x: Tensor, factor: number): Tensor {
  if (x.rank !== 4 || !Number.isInteger(factor) || factor < 1) {
    throw new RangeError(
      `resizeNearest: needs [batch, channels, h, w] and a whole factor, got ${show(x.shape)} and ${factor}`,
    );
  }
  if (factor === 1) return x;
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const scales = constant(scalesOf(factor));
  return differentiableOne(
    'resizeNearest',
    [x],
    () =>
      emit('Resize', [x, null, scales], x.dtype, [batch, channels, height * factor, width * factor], {
        attributes: { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
      }),
    // dx = sum of dy over the factor² copies of each pixel
    (dy) => [mul(avgPool2d(dy, { kernel: factor }), factor * factor)],
  );
}

const scalesCache = new Map<number, ConstantSource>();

function scalesOf(factor: number): ConstantSource {
  let scales = scalesCache.get(factor);
  if (!scales) {
    scales = { dtype: 'float32', shape: [4], data: Float32Array.of(1, 1, factor, factor) };
    scalesCache.set(factor, scales);
  }
  return scales;
}
