/** @file Replaces a node by others, for passes. */
import { inTrace, type Node, type Tensor, type Trace } from '../graph/trace.ts';

/**
 * The nodes that `compute` emits; the last one gives its result under the tensors of `node`. Nodes and tape of the trace
 * stay as they were.
 */
export function inPlaceOf(trace: Trace, { outputs }: Node, compute: () => Tensor): Node[] {
  const { tape } = trace;
  const start = trace.nodes.length;
  trace.tape = undefined;
  try {
    inTrace(trace, compute);
  } finally {
    trace.tape = tape;
  }
  const nodes = trace.nodes.splice(start);
  return nodes.map((node, i) => (i === nodes.length - 1 ? { ...node, outputs } : node));
}
