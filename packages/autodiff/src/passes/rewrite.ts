/** @file Nodes in place of a node, for programs that are rewritten when they are compiled. */
import { inTrace, type Node, type Tensor, type Trace } from '../graph/trace.ts';

/** What `compute` emits, its result under the name of the only output of `node` that is used. The trace stays as it was. */
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
  return nodes.with(-1, { ...nodes.at(-1)!, outputs });
}
