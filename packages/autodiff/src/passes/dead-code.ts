/** @file Dead code: nodes that no output needs. */
import type { Graph, Node, Tensor } from '../graph/trace.ts';
import type { NodeGraph } from './target.ts';

/** Drops the nodes that no output needs. */
export function dropDeadCode<G extends NodeGraph>(graph: G): G {
  return { ...graph, nodes: needed(graph.nodes, graph.outputs.values()) };
}

/** The traced nodes that the outputs need, in order. */
export function liveNodes(graph: Graph): Node[] {
  return needed(graph.trace.nodes, graph.outputs.values());
}

function needed(nodes: readonly Node[], outputs: Iterable<Tensor>): Node[] {
  const wanted = new Set<Tensor | null>(outputs);
  return nodes
    .toReversed()
    .filter((node) => {
      const isWanted = node.outputs.some((t) => wanted.has(t));
      if (isWanted) for (const t of node.inputs) wanted.add(t);
      return isWanted;
    })
    .reverse();
}
