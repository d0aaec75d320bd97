/**
 * @file Runs of programs in half precision: the way back is scaled into the range of float16, and numbers that leave it do not
 * go unnoticed.
 *
 * Reference: Micikevicius et al. 2018, "Mixed Precision Training", section 3.2.
 */
import type { TypedArray } from '../graph/dtype.ts';
import type { Graph, Node, Tensor } from '../graph/trace.ts';

/** Numbers beyond 65504, the largest of float16, came up inside a program. */
export class OverflowError extends Error {
  override readonly name = 'OverflowError';
}

/** Input that `addLossScale` adds. */
const SCALE = 'cotangent scale';

type Results = Record<string, TypedArray>;

/** The program with its cotangent multiplied by a further input, and its gradients divided by it, in float32. */
export function addLossScale(graph: Graph, nodes: readonly Node[]): { graph: Graph; nodes: Node[] } {
  const { trace, backward } = graph;
  if (!backward) return { graph, nodes: [...nodes] };
  const { seed, gradients } = backward;
  const scale = trace.newTensor('float32', []);
  const scaled = trace.newTensor('float32', seed.shape);
  const instead = (t: Tensor) => (t === seed ? scaled : t);
  const node = (op: string, a: Tensor, result: Tensor): Node => ({
    op,
    domain: '',
    inputs: [a, scale],
    outputs: [result],
    attributes: {},
  });
  const outputs = new Map(graph.outputs);
  const divisions = gradients.map((name) => {
    const gradient = instead(outputs.get(name)!);
    const result = trace.newTensor('float32', gradient.shape);
    outputs.set(name, result);
    return node('Div', gradient, result);
  });
  return {
    graph: { ...graph, inputs: new Map([...graph.inputs, [SCALE, scale]]), outputs },
    nodes: [
      node('Mul', seed, scaled),
      ...nodes.map((each) => ({ ...each, inputs: each.inputs.map((t) => t && instead(t)) })),
      ...divisions,
    ],
  };
}

/** The largest element of a cotangent after scaling, as an exponent of two: half way to overflow, its results may grow. */
const COTANGENT_EXPONENT = 10;
/** The same for a loss, which only shrinks on its way back to single numbers. */
const LOSS_EXPONENT = 16;
/** How much smaller it becomes where the gradients overflow, and how often that is tried. */
const STEP = 4;
const TRIES = 4;

/** Runs of one program. Where one overflowed, the next begin with the scale that it ended with. */
export class LossScaler {
  private readonly backward: Graph['backward'];
  private readonly first: number;
  private exponent: number;

  constructor({ backward }: Graph) {
    this.backward = backward;
    this.first = backward?.input === undefined ? LOSS_EXPONENT : COTANGENT_EXPONENT;
    this.exponent = this.first;
  }

  /**
   * @param once runs the program with further inputs
   * @throws OverflowError
   */
  async run(
    inputs: Readonly<Record<string, TypedArray>>,
    once: (more: Results) => Promise<Results>,
  ): Promise<Results> {
    const { input, gradients = [] } = this.backward ?? {};
    const largest = input === undefined ? 1 : largestOf(inputs[input] as Float32Array | undefined);
    // A cotangent of almost nothing needs no scale that float32 cannot hold.
    const size = largest > 0 && largest < Infinity ? Math.max(-100, Math.ceil(Math.log2(largest))) : 0;
    for (let attempt = 1; ; attempt++) {
      const scale = Float32Array.of(2 ** (this.exponent - size));
      const results = await once(this.backward ? { [SCALE]: scale } : {});
      const broken = Object.keys(results).filter((name) => !allFinite(results[name]));
      if (broken.length === 0) return results;
      const isScaled = broken.every((name) => gradients.includes(name));
      if (!isScaled || attempt === TRIES) {
        this.exponent = this.first;
        const tried = isScaled ? ` with ${TRIES} scales of the gradient` : '';
        throw new OverflowError(`float16: numbers beyond 65504 in ${broken.join(', ')}${tried}`);
      }
      this.exponent -= STEP;
    }
  }
}

function largestOf(values: Float32Array = new Float32Array()): number {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  return largest;
}

/** Whether all numbers are. Types other than float32 hold whole numbers here. */
function allFinite(values: TypedArray): boolean {
  return !(values instanceof Float32Array) || values.every(Number.isFinite);
}
