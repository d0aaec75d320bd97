/**
 * @file Half precision: the same program with its products, convolutions and activations in float16.
 *
 * Ops that need precision stay float32: norms, softmax, reductions, roots, exponentials and the losses made of them. So do
 * the inputs and outputs of the program. An op that only moves or combines numbers follows its operands: it is float16
 * where all of them are. Constants are cast once, when the program is compiled.
 *
 * Reference: Micikevicius et al. 2018, "Mixed Precision Training"; torch.amp.autocast has much the same lists.
 */
import { ONNX_DTYPE } from '../graph/dtype.ts';
import type { ConstantSource, Node, Tensor } from '../graph/trace.ts';
import type { NodeGraph, Target } from './target.ts';

/** The largest number of float16, and the smallest that has all eleven binary digits. */
const LARGEST = 65504;
const LEAST = 2 ** -14;

/** Many multiplications with additions: what float16 is for. */
const PRODUCTS = new Set(['Conv', 'ConvTranspose', 'MatMul', 'Gemm', 'MultiHeadAttention']);

/** Ops that move numbers, or combine them in a way that loses no more than rounding the operands did. */
const FOLLOWERS = new Set([
  ...['Add', 'Sub', 'Mul', 'Neg', 'Abs', 'Max', 'Min', 'Clip', 'Where'],
  ...['Relu', 'Sigmoid', 'Tanh', 'Erf', 'Gelu'],
  ...['Reshape', 'Identity', 'Transpose', 'Concat', 'Split', 'Slice', 'Pad', 'Expand', 'Gather', 'Resize'],
  'DepthToSpace',
  ...['MaxPool', 'AveragePool', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'Equal'],
]);

/** Minus infinity. The maximum with it changes nothing. */
const LEAST_OF_ALL = { dtype: 'float16', shape: [], data: Uint16Array.of(0xfc00) } as const;

/** Whether float16 holds a result well that float32 computes: standardised numbers, and booleans as numbers. */
function fitsHalf({ op, inputs: [x] }: Node, output: number): boolean {
  return (op === 'LayerNormalization' && output === 0) || (op === 'Cast' && x?.dtype === 'bool');
}

/** The inputs that have the type of the result. The scales of a Resize do not. */
function operandsOf({ op, inputs }: Node): readonly (Tensor | null)[] {
  return op === 'Resize' ? inputs.slice(0, 1) : inputs;
}

/**
 * Computes products, convolutions and activations in float16. Inputs and outputs stay the tensors that they were. The
 * result holds casts that nothing uses; removing dead code drops them.
 *
 * The CPU has hardly any kernels of half precision: ONNX Runtime computes in float32 there and leaves out the rounding
 * between one op and the next. So each result is rounded on purpose, and the numbers are those of float16.
 */
export function useHalfPrecision(graph: NodeGraph, { device, precision }: Target): NodeGraph {
  if (precision !== 'float16') return graph;
  const { trace, outputs, nodes } = graph;
  const emulated = device === 'cpu';
  const rewritten: Node[] = [];
  /** float32 tensors as float16. */
  const halves = new Map<Tensor, Tensor>();
  /** Those of them that exist in float16 only, until something needs them in float32. */
  const onlyHalf = new Set<Tensor>();
  /** Tensors that were computed in float16, or that float16 holds as well. */
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
  /** A new float16 tensor in place of a float32 one; `compute` emits what computes it. */
  const newHalf = ({ shape }: Tensor, compute: (result: Tensor) => void): Tensor => {
    const result = trace.newTensor('float16', shape);
    compute(result);
    if (!emulated) return result;
    // The CPU has a float16 kernel for Max: its operand must be rounded, and the maximum with minus infinity keeps it.
    const rounded = trace.newTensor('float16', shape);
    const inputs = [result, trace.addConstant(LEAST_OF_ALL)];
    rewritten.push({ op: 'Max', domain: '', inputs, outputs: [rounded], attributes: {} });
    return rounded;
  };
  /** Makes sure that a tensor exists in float32 too. */
  const widen = (t: Tensor): void => {
    const narrow = halves.get(t);
    if (narrow && onlyHalf.delete(t)) cast(narrow, t);
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
      for (const t of node.inputs) if (t) widen(t);
      rewritten.push(node);
      node.outputs.forEach((t, i) => {
        if (fitsHalf(node, i)) coarse.add(t);
      });
    }
    if (node.inputs.every((t) => !t || constants.has(t))) for (const t of node.outputs) constants.add(t);
  }
  for (const t of outputs.values()) widen(t);
  return { ...graph, nodes: rewritten };
}

/** Whether float16 holds the numbers of a constant about as well as float32. Weights in files are assumed to fit. */
function isRepresentable(source: ConstantSource | undefined): boolean {
  if (!source || !('data' in source)) return true;
  return (source.data as Float32Array).every((value) => {
    const size = Math.abs(value);
    return size === 0 || size === Infinity || (size >= LEAST && size <= LARGEST);
  });
}
