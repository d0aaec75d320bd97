/**
 * @file Winograd's algorithm F(2x2, 3x3) on the processor: a 3x3 convolution as 16 products of matrices, with 16 multiplications for
 * four pixels instead of 36. ONNX Runtime has no such kernel.
 *
 * Each tile of four pixels of the result is seen through a window of 4x4 pixels d:  Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A.
 *
 * Reference: Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks", section 4.1.
 */
import { BYTES_PER_ELEMENT } from '../graph/dtype.ts';
import { type ConstantSource, constant, emit, type Node, type Tensor, type Trace } from '../graph/trace.ts';
import { isWorthCopying } from '../ops/conv.ts';
import { add, reshape, sub } from '../ops/core.ts';
import { matmul } from '../ops/matmul.ts';
import { concat, pad, slice, transpose } from '../ops/shape.ts';
import { inPlaceOf } from './rewrite.ts';
import type { NodeGraph, Target } from './target.ts';

/**
 * Computes the 3x3 convolutions of networks of full size in fewer multiplications. Not in programs with a backward pass: what
 * they keep in memory beside the windows makes them slower, measured (docs/LOG.md).
 */
export function useWinograd(graph: NodeGraph, { device, precision, winograd }: Target): NodeGraph {
  if (!winograd || graph.backward || device !== 'cpu' || precision !== 'float32') return graph;
  const { trace, nodes } = graph;
  return {
    ...graph,
    nodes: nodes.flatMap((node) => (isWinograd(trace, node) ? byTiles(trace, node) : [node])),
  };
}

/** Channels of input and result below which the products are too small to gain. */
const LEAST_CHANNELS = 256;
/** Height times width times batch of a map below which they are too narrow. */
const LEAST_POSITIONS = 1024;
/** Elements of the largest map: its windows take four times as much memory for a moment. */
const LARGEST_MAP = 2 ** 22;

/** Whether a node is replaced: a 3x3 convolution of maps with even sides, by a constant weight that may be copied. */
export function isWinograd({ folded }: Trace, { op, inputs, outputs, attributes }: Node): boolean {
  const [x, weight] = inputs;
  if (op !== 'Conv' || !x || !weight || !folded.has(weight)) return false;
  const { kernel_shape: kernel, strides, dilations, pads, group } = attributes as Record<string, unknown>;
  const is = (values: unknown, wanted: number) =>
    Array.isArray(values) && values.every((value) => value === wanted);
  const isPlain = is(kernel, 3) && is(strides, 1) && is(dilations, 1) && is(pads, 1) && group === 1;
  const [batch, , height, width] = x.shape;
  return (
    isPlain &&
    height % 2 === 0 &&
    width % 2 === 0 &&
    Math.min(weight.shape[0], weight.shape[1]) >= LEAST_CHANNELS &&
    batch * height * width >= LEAST_POSITIONS &&
    Math.max(x.size, outputs[0].size) <= LARGEST_MAP &&
    isWorthCopying(weight)
  );
}

/** What a node that is replaced needs beside its operands: the transformed weight, and windows and products while it runs. */
export function winogradBytes({ inputs, outputs }: Node): { copied: number; activations: number } {
  const [x, weight] = inputs as readonly [Tensor, Tensor];
  return {
    copied: (16 / 9) * weight.size * BYTES_PER_ELEMENT.float32,
    activations: 4 * (x.size + outputs[0].size) * BYTES_PER_ELEMENT.float32,
  };
}

/** G: from three weights to the four numbers that they are multiplied as. */
const WEIGHTS = [
  [1, 0, 0],
  [0.5, 0.5, 0.5],
  [0.5, -0.5, 0.5],
  [0, 0, 1],
];
/** G g Gᵀ of a kernel of nine weights, row by row: how much of each weight is in each of the 16 numbers, [1, 9]. */
const SHARES = WEIGHTS.flatMap((down) =>
  WEIGHTS.map((across): ConstantSource => {
    const data = Float32Array.from(down.flatMap((a) => across.map((b) => a * b)));
    return { dtype: 'float32', shape: [1, 9], data };
  }),
);

/** Bᵀ: four numbers of a window as they are multiplied. */
const windowOf = ([a, b, c, d]: readonly Tensor[]) => [sub(a, c), add(b, c), sub(c, b), sub(b, d)];
/** Aᵀ: two pixels from four products. */
const pixelsOf = ([a, b, c, d]: readonly Tensor[]) => [add(add(a, b), c), sub(sub(b, c), d)];

/** Applies a transform to the rows and then to the columns of a square of tensors. */
function both(transform: (four: readonly Tensor[]) => Tensor[], square: readonly Tensor[][]): Tensor[][] {
  const columns = square[0].map((_, j) => transform(square.map((row) => row[j])));
  return columns[0].map((_, i) => transform(columns.map((column) => column[i])));
}

function byTiles(trace: Trace, node: Node): Node[] {
  const [x, weight, bias] = node.inputs as readonly [Tensor, Tensor, Tensor | null | undefined];
  const [result] = node.outputs as readonly [Tensor];
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const outChannels = weight.shape[0];
  const [rows, columns] = [height / 2, width / 2];
  return inPlaceOf(trace, node, () => {
    const windows = both(windowOf, corners());
    const kernels = transformedWeight();
    const products = windows.map((row, i) =>
      row.map((seen, j) => matmul(kernels[4 * i + j], reshape(seen, [batch, channels, rows * columns]))),
    );
    const tiles = both(pixelsOf, products).flat();
    const pixels = tiles.map((tile) => reshape(tile, [batch, outChannels, rows, columns]));
    const image = emit('DepthToSpace', [concat(pixels, 1)], x.dtype, result.shape, {
      attributes: { blocksize: 2, mode: 'DCR' },
    });
    return bias ? add(image, reshape(bias, [1, outChannels, 1, 1])) : image;
  });

  /** The pixels at each place of all windows: [4][4] of [batch, channels, rows, columns]. Windows overlap by two pixels. */
  function corners(): Tensor[][] {
    const framed = pad(x, [0, 0, 1, 1], [0, 0, 1, 1]);
    // The four pixels of a square of two become channels, so that a window is two squares wide.
    const squares = emit('SpaceToDepth', [framed], x.dtype, [batch, 4 * channels, rows + 1, columns + 1], {
      attributes: { blocksize: 2 },
    });
    const places = [0, 1, 2, 3];
    return places.map((i) =>
      places.map((j) => {
        const first = channels * (2 * (i % 2) + (j % 2));
        const [down, right] = [Math.floor(i / 2), Math.floor(j / 2)];
        return slice(squares, [
          { axis: 1, start: first, end: first + channels },
          { axis: 2, start: down, end: down + rows },
          { axis: 3, start: right, end: right + columns },
        ]);
      }),
    );
  }

  /** G g Gᵀ as 16 matrices [outChannels, channels], worked out when the program is compiled. */
  function transformedWeight(): Tensor[] {
    const taps = reshape(transpose(weight, [2, 3, 0, 1]), [9, outChannels * channels]);
    return SHARES.map((share) => reshape(matmul(constant(share), taps), [outChannels, channels]));
  }
}
