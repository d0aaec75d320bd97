/**
 * @file The form in which ONNX Runtime's CPU kernels compute an op fastest, where that is not the op itself. A trace says what
 * is to be computed; how is decided when it is compiled.
 */

import { LARGEST_FOLDED } from '../graph/dtype.ts';
import { emit, int64s, type Node, type Tensor, type Trace } from '../graph/trace.ts';
import { reshape } from '../ops/core.ts';
import { matmul } from '../ops/matmul.ts';
import { transpose } from '../ops/shape.ts';
import { inPlaceOf } from './rewrite.ts';

/** The same program in other nodes; `live` as they are executed. */
export function lowerForCpu(trace: Trace, live: readonly Node[]): Node[] {
  return live.flatMap((node) => (isTransposedByConstant(trace, node) ? byColumns(trace, node) : [node]));
}

/** Small weights gain nothing. */
function isTransposedByConstant({ folded }: Trace, { op, inputs, attributes }: Node): boolean {
  if (op !== 'ConvTranspose' || attributes.group !== 1) return false;
  const weight = inputs[1]!;
  return folded.has(weight) && weight.size > LARGEST_FOLDED;
}

/** Positions up to which columns are made by the weight from the left. */
const FEW_POSITIONS = 64;

/**
 * A transposed convolution as one product over the whole batch, whose columns are then added up where they overlap. ONNX
 * Runtime's own kernel multiplies image by image by the transposed weight: on one core 39 to 118 GFLOP/s where this
 * reaches 128 to 166.
 */
function byColumns(trace: Trace, node: Node): Node[] {
  const { inputs, outputs, attributes } = node;
  const [x, weight] = inputs as readonly [Tensor, Tensor];
  const [result] = outputs as readonly [Tensor];
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const positions = height * width;
  const { kernel_shape: kernel, strides, dilations, pads } = attributes as Record<string, readonly number[]>;
  return inPlaceOf(trace, node, () => {
    const matrix = reshape(weight, [channels, weight.size / channels]);
    const columns = batch * positions <= FEW_POSITIONS ? fromTheLeft(matrix) : fromTheRight(matrix);
    return emit('Col2Im', [columns, int64s(result.shape.slice(2)), int64s(kernel)], x.dtype, result.shape, {
      attributes: { strides: strides, dilations: dilations, pads: pads },
    });
  });

  /** [outChannels * kernel, batch * positions] as images. Not with a transposed constant: that would be a copy on the heap. */
  function fromTheLeft(matrix: Tensor): Tensor {
    const flat = reshape(transpose(x, [1, 0, 2, 3]), [channels, batch * positions]);
    const rows = matrix.shape[1];
    const product = emit('Gemm', [matrix, flat], x.dtype, [rows, flat.shape[1]], {
      attributes: { transA: 1 },
    });
    return transpose(reshape(product, [rows, batch, positions]), [1, 0, 2]);
  }

  /** [batch * positions, outChannels * kernel] as images. */
  function fromTheRight(matrix: Tensor): Tensor {
    const flat = reshape(transpose(x, [0, 2, 3, 1]), [batch * positions, channels]);
    return transpose(reshape(matmul(flat, matrix), [batch, positions, -1]), [0, 2, 1]);
  }
}
