/** @file Two-dimensional convolution and its transpose, NCHW. Reference: torch.nn.functional.conv2d, conv_transpose2d. */

import { LARGEST_FOLDED } from '../graph/dtype.ts';
import { type Shape, show } from '../graph/shape.ts';
import { checkTypes, differentiableOne, emit, int64s, type Tensor } from '../graph/trace.ts';
import { add, reshape, sum } from './core.ts';
import { matmul, transposeLast } from './matmul.ts';
import { concat, slice, split, transpose, window } from './shape.ts';

/** Padding in pixels: one number for all sides, or [top, left, bottom, right]. */
export type Padding = number | readonly [top: number, left: number, bottom: number, right: number];

/** Options of `conv2d` and `convTranspose2d`. */
export interface Conv2dOptions {
  /** Pixels from one position of the kernel to the next. Default 1. */
  readonly stride?: number;
  /** Zeros around the image. Default 0. */
  readonly padding?: Padding;
  /** Pixels from one weight of the kernel to the next. Default 1. */
  readonly dilation?: number;
  /** Number of groups that channels are divided into, each convolved on its own. Default 1. */
  readonly groups?: number;
}

interface Geometry {
  readonly stride: number;
  readonly pads: readonly [number, number, number, number];
  readonly dilation: number;
  readonly groups: number;
}

function geometry(
  who: string,
  { stride = 1, padding = 0, dilation = 1, groups = 1 }: Conv2dOptions,
): Geometry {
  const pads = typeof padding === 'number' ? ([padding, padding, padding, padding] as const) : padding;
  const positive = [stride, dilation, groups].every((n) => Number.isInteger(n) && n >= 1);
  if (!positive || pads.length !== 4 || !pads.every((n) => Number.isInteger(n) && n >= 0)) {
    throw new RangeError(
      `${who}: stride, dilation and groups must be whole and at least 1, paddings whole and not negative, got ${stride}, ${dilation}, ${groups} and ${show(pads)}`,
    );
  }
  return { stride, pads, dilation, groups };
}

function checkBias(who: string, channels: number, bias: Tensor | undefined): void {
  if (bias && (bias.rank !== 1 || bias.shape[0] !== channels)) {
    throw new RangeError(`${who}: bias must be [${channels}], got ${show(bias.shape)}`);
  }
}

/**
 * Two-dimensional convolution (cross-correlation, as in torch).
 *
 * @param x [batch, inChannels, height, width]
 * @param weight [outChannels, inChannels / groups, kernelHeight, kernelWidth]
 * @param bias [outChannels]
 * @returns [batch, outChannels, outHeight, outWidth], outHeight = floor((height + padding - dilation (kernelHeight - 1) - 1) /
 *   stride) + 1 with the padding of both sides
 * @throws RangeError where the shapes do not fit
 */
export function conv2d(x: Tensor, weight: Tensor, bias?: Tensor, options: Conv2dOptions = {}): Tensor {
  const g = geometry('conv2d', options);
  if (x.rank !== 4 || weight.rank !== 4 || x.shape[1] !== weight.shape[1] * g.groups) {
    throw new RangeError(
      `conv2d: needs x [batch, in, h, w] and weight [out, in / ${g.groups} groups, kh, kw], got x ${show(x.shape)} and weight ${show(weight.shape)}`,
    );
  }
  if (weight.shape[0] % g.groups !== 0) {
    throw new RangeError(
      `conv2d: ${g.groups} groups do not divide the output channels of weight ${show(weight.shape)}`,
    );
  }
  const [batch, , height, width] = x.shape as [number, number, number, number];
  const [outChannels, , kh, kw] = weight.shape as [number, number, number, number];
  const outHeight = outputLength(height, kh, g, 0);
  const outWidth = outputLength(width, kw, g, 1);
  if (outHeight < 1 || outWidth < 1) {
    throw new RangeError(
      `conv2d: kernel ${kh}x${kw} does not fit x ${show(x.shape)} with padding ${show(g.pads)}`,
    );
  }
  checkBias('conv2d', outChannels, bias);
  checkTypes('conv2d', { x, weight, bias });
  const operands = bias ? [x, weight, bias] : [x, weight];
  return differentiableOne(
    'conv2d',
    operands,
    () => emitConv('Conv', operands, [batch, outChannels, outHeight, outWidth], g),
    // dx = dy convolved with the mirrored weight, dweight = dy correlated with x, dbias = sum of dy over images and pixels
    (dy) => [
      inputGradient(dy, weight, x, g),
      weightGradient(dy, x, weight, g),
      bias && sum(dy, { axes: [0, 2, 3] }),
    ],
  );
}

/**
 * Transposed convolution, the gradient of conv2d with respect to its input.
 *
 * @param x [batch, inChannels, height, width]
 * @param weight [inChannels, outChannels / groups, kernelHeight, kernelWidth]
 * @param bias [outChannels]
 * @param options.outputPadding pixels added at the bottom and right of the result. Default 0
 * @returns [batch, outChannels, outHeight, outWidth], outHeight = (height - 1) stride + dilation (kernelHeight - 1) + 1 - padding
 *   + outputPadding with the padding of both sides
 * @throws RangeError where the shapes do not fit
 */
export function convTranspose2d(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  { outputPadding = 0, ...options }: Conv2dOptions & { outputPadding?: number } = {},
): Tensor {
  const g = geometry('convTranspose2d', options);
  if (x.rank !== 4 || weight.rank !== 4 || x.shape[1] !== weight.shape[0]) {
    throw new RangeError(
      `convTranspose2d: needs x [batch, in, h, w] and weight [in, out / groups, kh, kw], got x ${show(x.shape)} and weight ${show(weight.shape)}`,
    );
  }
  const full = (length: number, kernel: number, axis: 0 | 1) =>
    (length - 1) * g.stride + g.dilation * (kernel - 1) + 1 - g.pads[axis] - g.pads[axis + 2] + outputPadding;
  const target = [
    x.shape[0],
    weight.shape[1] * g.groups,
    full(x.shape[2], weight.shape[2], 0),
    full(x.shape[3], weight.shape[3], 1),
  ];
  if (x.shape[1] % g.groups !== 0 || target.some((length) => length < 1)) {
    throw new RangeError(
      `convTranspose2d: x ${show(x.shape)} and weight ${show(weight.shape)} with ${g.groups} groups, stride ${g.stride} and padding ${show(g.pads)} give ${show(target)}; needs groups that divide the channels and a result of at least one pixel`,
    );
  }
  checkBias('convTranspose2d', target[1], bias);
  checkTypes('convTranspose2d', { x, weight, bias });
  const product = emitTransposed(x, weight, target, g);
  return bias ? add(product, reshape(bias, [1, target[1], 1, 1])) : product;
}

function outputLength(length: number, kernel: number, g: Geometry, axis: 0 | 1): number {
  const padded = length + g.pads[axis] + g.pads[axis + 2];
  return Math.floor((padded - g.dilation * (kernel - 1) - 1) / g.stride) + 1;
}

function emitConv(
  op: string,
  operands: readonly Tensor[],
  shape: readonly number[],
  g: Geometry,
  extra = {},
): Tensor {
  return emit(op, operands, operands[0].dtype, shape, {
    attributes: {
      kernel_shape: operands[1].shape.slice(2),
      strides: [g.stride, g.stride],
      dilations: [g.dilation, g.dilation],
      pads: g.pads,
      group: g.groups,
      ...extra,
    },
  });
}

/** A ConvTranspose whose result has the shape `target`, differentiable in both operands. */
function emitTransposed(dy: Tensor, weight: Tensor, target: readonly number[], g: Geometry): Tensor {
  const outputPadding = ([0, 1] as const).map((axis) => {
    const reached =
      (dy.shape[axis + 2] - 1) * g.stride +
      g.dilation * (weight.shape[axis + 2] - 1) +
      1 -
      g.pads[axis] -
      g.pads[axis + 2];
    return target[axis + 2] - reached;
  });
  const { stride, pads, dilation, groups } = g;
  const conv: Conv2dOptions = { stride, padding: pads, dilation, groups };
  return differentiableOne(
    'convTranspose2d',
    [dy, weight],
    () => emitConv('ConvTranspose', [dy, weight], target, g, { output_padding: outputPadding }),
    // ddy = ddx convolved with the weight, dweight = dy correlated with ddx
    (ddx) => [conv2d(ddx, weight, undefined, conv), weightGradient(dy, ddx, weight, g)],
  );
}

/**
 * Gradient with respect to the input. With stride 1 it is a convolution of dy with the mirrored weight, which ONNX Runtime
 * computes up to four times faster than a ConvTranspose. Large weights keep the ConvTranspose over the same tensor: for
 * parameters mirroring at each run costs more than it gains, and for constants the mirrored copy would stay in memory (for
 * those of half precision as float32).
 */
function inputGradient(dy: Tensor, weight: Tensor, x: Tensor, g: Geometry): Tensor {
  const [, , kh, kw] = weight.shape as [number, number, number, number];
  const reach = [g.dilation * (kh - 1), g.dilation * (kw - 1)] as const;
  const pads = g.pads.map((n, side) => reach[side % 2] - n) as [number, number, number, number];
  const mirror = g.stride === 1 && g.groups === 1 && isWorthCopying(weight) && pads.every((n) => n >= 0);
  if (!mirror) return emitTransposed(dy, weight, x.shape, g);
  return conv2d(dy, mirrored(weight), undefined, { padding: pads, dilation: g.dilation });
}

/** Elements of the largest weight that may be copied in another order. */
const LARGEST_COPIED = { parameter: 2 ** 20, constant: 2 ** 22, half: LARGEST_FOLDED };

/** Whether a copy of a weight in another order is worth its time and memory. */
export function isWorthCopying(weight: Tensor): boolean {
  const { folded, widened } = weight.trace;
  const kind = widened.has(weight) ? 'half' : folded.has(weight) ? 'constant' : 'parameter';
  return weight.size <= LARGEST_COPIED[kind];
}

/** Input and output channels swapped and kernels rotated by 180 degrees; its own inverse. */
function mirrored(weight: Tensor): Tensor {
  const swapped = transpose(weight, [1, 0, 2, 3]);
  const [, , kh, kw] = swapped.shape as [number, number, number, number];
  if (kh === 1 && kw === 1) return swapped;
  const bounds = [int64s([-1, -1]), int64s([-kh - 1, -kw - 1]), int64s([2, 3]), int64s([-1, -1])];
  return differentiableOne(
    'mirrored',
    [weight],
    () => emit('Slice', [swapped, ...bounds], weight.dtype, swapped.shape),
    // dweight = dy, mirrored back
    (dy) => [mirrored(dy)],
  );
}

/**
 * Gradient with respect to the weight: for each position in the kernel a product of dy and the shifted input. Rows are shifted
 * in dy and columns in the input, so that a k x k kernel needs 2 (k - 1) shifted copies instead of k x k.
 */
export function weightGradient(dy: Tensor, x: Tensor, weight: Tensor, g: Geometry): Tensor {
  if (g.groups > 1) {
    const share = (t: Tensor) => split(t, new Array<number>(g.groups).fill(t.shape[1] / g.groups), 1);
    const dys = share(dy);
    const ws = split(weight, new Array<number>(g.groups).fill(weight.shape[0] / g.groups), 0);
    return concat(
      share(x).map((part, i) => weightGradient(dys[i], part, ws[i], { ...g, groups: 1 })),
      0,
    );
  }
  return g.stride > 1 ? stridedWeightGradient(dy, x, weight, g) : denseWeightGradient(dy, x, weight.shape, g);
}

/** The gradient for stride 1 without groups. `kernel` is the shape of the weight. */
function denseWeightGradient(dy: Tensor, x: Tensor, kernel: Shape, g: Geometry): Tensor {
  const [outChannels, inChannels] = kernel as [number, number];
  const [, , height, width] = dy.shape as [number, number, number, number];
  const wide = height * width >= WIDE * Math.min(outChannels, inChannels);
  return (wide ? weightGradientByImage : weightGradientOverBatch)(dy, x, kernel, g);
}

/** From this many positions per channel on, images are multiplied one by one and summed afterwards. */
const WIDE = 8;

/** For wide images with few channels: the products read the images in the order of their memory. */
function weightGradientByImage(dy: Tensor, x: Tensor, kernel: Shape, g: Geometry): Tensor {
  const [outChannels, inChannels, kh, kw] = kernel as [number, number, number, number];
  const [batch, , height, width] = dy.shape as [number, number, number, number];
  const inHeight = x.shape[2];
  const flatDy = reshape(dy, [batch, outChannels, height * width]);
  const shiftedDy = upTo(kh).map((ky) =>
    window(flatDy, 2, (g.pads[0] - ky * g.dilation) * width, inHeight * width),
  );
  const shiftedX = upTo(kw).map((kx) =>
    transposeLast(reshape(window(x, 3, kx * g.dilation - g.pads[1], width), [batch, inChannels, -1])),
  );
  const products = shiftedDy.flatMap((rows) => shiftedX.map((columns) => matmul(rows, columns)));
  const stacked = reshape(concat(products, 0), [kh * kw, batch, outChannels * inChannels]);
  return reshape(transpose(sum(stacked, { axes: [1] })), kernel);
}

/** For small images with many channels: one product over the whole batch, so that no sum over images is needed. */
function weightGradientOverBatch(dy: Tensor, x: Tensor, kernel: Shape, g: Geometry): Tensor {
  const [outChannels, inChannels, kh, kw] = kernel as [number, number, number, number];
  const [batch, , height, width] = dy.shape as [number, number, number, number];
  const inHeight = x.shape[2];
  const flatDy = reshape(transpose(dy, [1, 0, 2, 3]), [outChannels, batch, height * width]);
  const shiftedDy = upTo(kh).map((ky) =>
    reshape(window(flatDy, 2, (g.pads[0] - ky * g.dilation) * width, inHeight * width), [outChannels, -1]),
  );
  const stackedDy = concat(shiftedDy, 0);
  const channelsLast = transpose(x, [0, 2, 3, 1]);
  const products = upTo(kw).map((kx) => {
    const columns = reshape(window(channelsLast, 2, kx * g.dilation - g.pads[1], width), [-1, inChannels]);
    return reshape(matmul(stackedDy, columns), [1, kh, outChannels, inChannels]);
  });
  return transpose(concat(products, 0), [2, 3, 1, 0]);
}

/**
 * A convolution with stride s equals one with stride 1 over blocks of s x s pixels, taken as channels. Its kernel has s times
 * fewer rows and columns, so fewer products are needed. A dilated kernel counts as a dense one with gaps.
 */
function stridedWeightGradient(dy: Tensor, x: Tensor, weight: Tensor, g: Geometry): Tensor {
  const [outChannels, inChannels, kh, kw] = weight.shape as [number, number, number, number];
  const [batch, , outHeight, outWidth] = dy.shape as [number, number, number, number];
  const { stride: s, dilation } = g;
  const [qh, qw] = [kh, kw].map((k) => Math.ceil((dilation * (k - 1) + 1) / s)) as [number, number];
  const [rows, columns] = [outHeight + qh - 1, outWidth + qw - 1];
  const seen = window(window(x, 2, -g.pads[0], rows * s), 3, -g.pads[1], columns * s);
  // Through channels last, which keeps runs of pixels together: transposing six axes at once takes far longer.
  const phases = transpose(reshape(seen, [batch, inChannels, rows, s, columns, s]), [0, 2, 4, 1, 3, 5]);
  const folded = transpose(reshape(phases, [batch, rows, columns, inChannels * s * s]), [0, 3, 1, 2]);
  const plain = { stride: 1, pads: [0, 0, 0, 0], dilation: 1, groups: 1 } as const;
  const kernel = [outChannels, inChannels * s * s, qh, qw];
  const byPhase = reshape(denseWeightGradient(dy, folded, kernel, plain), [
    outChannels,
    inChannels,
    s,
    s,
    qh,
    qw,
  ]);
  const dense = reshape(transpose(byPhase, [0, 1, 4, 2, 5, 3]), [outChannels, inChannels, qh * s, qw * s]);
  return slice(dense, [
    { axis: 2, start: 0, end: dilation * (kh - 1) + 1, step: dilation },
    { axis: 3, start: 0, end: dilation * (kw - 1) + 1, step: dilation },
  ]);
}

function upTo(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}
