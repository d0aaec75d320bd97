/**
 * @file Loss scaling: a backward pass in float16 begins with a cotangent that is scaled into the range of float16, and its
 * gradients are divided by the scale. The scale is a further input of the program; runtime/loss-scaler.ts chooses it.
 *
 * Reference: Micikevicius et al. 2018, "Mixed Precision Training", section 3.2.
 */
import type { Node, Tensor } from '../graph/trace.ts';
import type { NodeGraph, Target } from './target.ts';

/** Name of the input that `scaleLoss` adds, a scalar. */
export const LOSS_SCALE = 'cotangent scale';

/** Multiplies the cotangent by a further input and divides the gradients by it, both in float32. */
export function scaleLoss(graph: NodeGraph, { precision }: Pick<Target, 'precision'>): NodeGraph {
  const { trace, backward, nodes } = graph;
  if (!backward || precision !== 'float16') return graph;
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
  const divisions: Node[] = [];
  for (const [name, output] of graph.outputs) {
    if (!gradients.includes(name)) continue;
    const gradient = instead(output);
    const result = trace.newTensor('float32', gradient.shape);
    outputs.set(name, result);
    divisions.push(node('Div', gradient, result));
  }
  return {
    ...graph,
    inputs: new Map([...graph.inputs, [LOSS_SCALE, scale]]),
    outputs,
    nodes: [
      node('Mul', seed, scaled),
      ...nodes.map((each) => ({ ...each, inputs: each.inputs.map((t) => t && instead(t)) })),
      ...divisions,
    ],
  };
}
