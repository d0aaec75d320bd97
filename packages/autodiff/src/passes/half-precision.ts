/**
 * @file Half precision: the same program with its products, convolutions and activations in float16.
 *
 * What must not be coarse stays float32: norms, softmax, reductions, roots, exponentials and the losses that are made of them,
 * and the inputs and outputs of the program. An op that only moves or combines numbers goes by its operands: float16 where
 * all of them are. Constants are cast once, when compiling.
 *
 * Reference: Micikevicius et al. 2018, "Mixed Precision Training"; torch.amp.autocast has much the same lists.
 */
import { ONNX_DTYPE } from '../graph/dtype.ts';
import type { Graph, Node, Tensor } from '../graph/trace.ts';

export type Precision = 'float32' | 'float16';

/** The largest number of float16, and the least that has all of its eleven digits. */
const LARGEST = 65504;
const LEAST = 2 ** -14;

/** Many multiplications with additions: what float16 is for. */
const PRODUCTS = new Set(['Conv', 'ConvTranspose', 'MatMul', 'Gemm', 'MultiHeadAttention']);

/** Numbers that are moved, or combined in a way that loses no more than their rounding did. */
const FOLLOWERS = new Set([
  ...['Add', 'Sub', 'Mul', 'Neg', 'Abs', 'Max', 'Min', 'Clip', 'Where'],
  ...['Relu', 'Sigmoid', 'Tanh', 'Erf', 'Gelu'],
  ...['Reshape', 'Identity', 'Transpose', 'Concat', 'Split', 'Slice', 'Pad', 'Expand', 'Gather', 'Resize'],
  'DepthToSpace',
  ...['MaxPool', 'AveragePool', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'Equal'],
]);

/** Minus infinity: the maximum with it changes nothing. */
const LEAST_OF_ALL = { dtype: 'float16', shape: [], data: Uint16Array.of(0xfc00) } as const;

/** Of what float32 computes, results that float16 holds well: standardised numbers, and truth values as numbers. */
function fitsHalf({ op, inputs }: Node, output: number): boolean {
  return (op === 'LayerNormalization' && output === 0) || (op === 'Cast' && inputs[0]!.dtype === 'bool');
}

/** The inputs that have the type of the result; what a Resize is told of scales has not. */
function operandsOf({ op, inputs }: Node): readonly (Tensor | null)[] {
  return op === 'Resize' ? inputs.slice(0, 1) : inputs;
}

export interface HalfOptions {
  /**
   * For the processor, which has hardly any kernels of half precision: ONNX Runtime computes in float32 there, and leaves out
   * the rounding between one op and the next. With this the results are those of float16. Default false.
   */
  readonly emulated?: boolean;
}

/**
 * Rewrites a program.
 *
 * @param nodes of the program, in order
 * @returns the nodes of the new program; inputs and outputs are the tensors that they were
 */
export function inHalf(
  { trace, outputs }: Graph,
  nodes: readonly Node[],
  { emulated = false }: HalfOptions = {},
): Node[] {
  const rewritten: Node[] = [];
  /** float32 tensors as float16. */
  const halves = new Map<Tensor, Tensor>();
  /** Those of them that exist in float16 alone, until somebody wants them otherwise. */
  const onlyHalf = new Set<Tensor>();
  /** Those that were computed in float16, or would do as well in it. */
  const coarse = new Set<Tensor>();
  const constants = new Set<Tensor>(trace.constants.keys());

  const cast = (from: Tensor, to: Tensor) =>
    rewritten.push({
      op: 'Cast',
      domain: '',
      inputs: [from],
      outputs: [to],
      attributes: { to: ONNX_DTYPE[to.dtype] },
    });
  /** A new half, computed by what is given a place for it. */
  const newHalf = ({ shape }: Tensor, compute: (result: Tensor) => void): Tensor => {
    const result = trace.newTensor('float16', shape);
    compute(result);
    if (!emulated) return result;
    // A kernel of half precision that the processor has, so that the number before it is rounded; it leaves it as it is.
    const rounded = trace.newTensor('float16', shape);
    const inputs = [result, trace.addConstant(LEAST_OF_ALL)];
    rewritten.push({ op: 'Max', domain: '', inputs, outputs: [rounded], attributes: {} });
    return rounded;
  };
  const full = (t: Tensor): Tensor => {
    if (onlyHalf.delete(t)) cast(halves.get(t)!, t);
    return t;
  };
  const stored = (t: Tensor) => {
    const source = trace.widened.get(t);
    return source?.dtype === 'float16' ? source : undefined;
  };
  const half = (t: Tensor): Tensor => {
    let result = halves.get(t);
    if (!result) {
      result = stored(t) ?? newHalf(t, (place) => cast(t, place));
      halves.set(t, result);
    }
    return result;
  };
  const isCoarse = (t: Tensor) => coarse.has(t) || stored(t) !== undefined;
  const follows = (node: Node): boolean => {
    const numbers = operandsOf(node).filter((t) => t?.dtype === 'float32') as Tensor[];
    const computed = numbers.filter((t) => !constants.has(t));
    if (computed.length === 0) return numbers.length > 0 && numbers.every(isCoarse);
    return numbers.every((t) => isCoarse(t) || (constants.has(t) && isRepresentable(trace.constants.get(t))));
  };

  for (const node of nodes) {
    if (PRODUCTS.has(node.op) || (FOLLOWERS.has(node.op) && follows(node))) {
      const operands = operandsOf(node).length;
      const inputs = node.inputs.map((t, i) => (t?.dtype === 'float32' && i < operands ? half(t) : t));
      const results = [...node.outputs];
      rewritten.push({ ...node, inputs, outputs: results });
      node.outputs.forEach((t, i) => {
        if (t.dtype !== 'float32') return;
        halves.set(
          t,
          newHalf(t, (place) => {
            results[i] = place;
          }),
        );
        onlyHalf.add(t);
        coarse.add(t);
      });
    } else {
      for (const t of node.inputs) if (t) full(t);
      rewritten.push(node);
      node.outputs.forEach((t, i) => {
        if (fitsHalf(node, i)) coarse.add(t);
      });
    }
    if (node.inputs.every((t) => !t || constants.has(t))) for (const t of node.outputs) constants.add(t);
  }
  for (const t of outputs.values()) full(t);
  return needed(rewritten, outputs.values());
}

/** Without casts that nobody uses any more. */
function needed(nodes: readonly Node[], results: Iterable<Tensor>): Node[] {
  const wanted = new Set<Tensor | null>(results);
  return nodes
    .toReversed()
    .filter((node) => {
      const isWanted = node.outputs.some((t) => wanted.has(t));
      if (isWanted) for (const t of node.inputs) wanted.add(t);
      return isWanted;
    })
    .reverse();
}

/** Whether float16 holds the numbers of a constant about as well as float32 does. Weights in files are taken to be so. */
function isRepresentable(source: ReturnType<Graph['trace']['constants']['get']>): boolean {
  if (!source || !('data' in source)) return true;
  return (source.data as Float32Array).every((value) => {
    const size = Math.abs(value);
    return size === 0 || size === Infinity || (size >= LEAST && size <= LARGEST);
  });
}
