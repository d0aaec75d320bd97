/** @file What running a graph costs: operations, bytes moved, memory. It is counted on the graph; nothing is compiled. */
import { BYTES_PER_ELEMENT } from '../graph/dtype.ts';
import type { ConstantSource, Graph, Node, Tensor } from '../graph/trace.ts';
import { liveNodes } from './dead-code.ts';
import { isCastLate } from './late-casts.ts';
import type { Layout } from './target.ts';
import { isWinograd, winogradBytes } from './winograd.ts';

/** Cost of a run, by `graphCost`. */
export interface GraphCost {
  /** Number of nodes that are run. */
  readonly nodes: number;
  /** Floating-point operations of convolutions, products and attention. A multiplication with its addition counts as two. */
  readonly flops: number;
  /** Bytes that all other nodes read and write. */
  readonly movedBytes: number;
  /** Most bytes of activations that are alive at once if nodes run in the order of tracing. */
  readonly activationBytes: number;
  /** Bytes of constants that compiling puts on the heap: computed constants, weights for Winograd's algorithm, and with layout `fast` rearranged weights. */
  readonly copiedBytes: number;
  /** Bytes of constants that stay in mapped files, by `path:offset`. Programs over the same file share them. */
  readonly mapped: ReadonlyMap<string, number>;
}

const bytesOf = ({ dtype, size }: Tensor) => BYTES_PER_ELEMENT[dtype] * size;

/** Ops whose result is their operand under another shape. */
const VIEWS = new Set(['Reshape', 'Identity', 'Flatten', 'Squeeze', 'Unsqueeze']);

/** Floating-point operations of the ops that have many; undefined for those that only move memory. */
function flopsOf({ op, inputs, outputs, attributes }: Node): number | undefined {
  const [a, b] = inputs as readonly Tensor[];
  const [out] = outputs as readonly [Tensor];
  switch (op) {
    case 'Conv':
      return (2 * out.size * b.size) / b.shape[0];
    case 'ConvTranspose':
      return (2 * a.size * b.size) / b.shape[0];
    case 'MatMul':
      return 2 * out.size * a.shape[a.rank - 1];
    case 'Gemm':
      return 2 * out.size * a.shape[attributes.transA === 1 ? 0 : 1];
    case 'MultiHeadAttention':
      return 4 * a.size * b.shape[1];
    default:
      return undefined;
  }
}

/** Counts what a run of `graph` costs when it is compiled with `layout`, and with Winograd's algorithm or without. */
export function graphCost(graph: Graph, layout: Layout = 'fast', winograd = false): GraphCost {
  const { constants, folded } = graph.trace;
  const byTiles = (node: Node) => winograd && !graph.backward && isWinograd(graph.trace, node);
  const live = liveNodes(graph);
  const run = live.filter((node) => !node.outputs.every((t) => folded.has(t)));

  let flops = 0;
  let movedBytes = 0;
  let copiedBytes = 0;
  const mapped = new Map<string, number>();
  for (const node of live) {
    for (const t of node.inputs) {
      const source = t && constants.get(t);
      if (source) mapped.set(placeOf(source), 'file' in source ? bytesOf(t) : 0);
      if (source && 'data' in source) copiedBytes += bytesOf(t);
    }
  }
  const computed = new Set<Tensor>();
  for (const node of run) {
    const operations = flopsOf(node);
    if (operations !== undefined) flops += operations;
    else if (!VIEWS.has(node.op)) {
      for (const t of [...node.inputs, ...node.outputs]) if (t && !folded.has(t)) movedBytes += bytesOf(t);
    }
    for (const t of node.inputs) if (t && folded.has(t) && !constants.has(t)) computed.add(t);
    if (byTiles(node)) copiedBytes += winogradBytes(node).copied;
    else if (layout === 'fast' && operations !== undefined) {
      // The kernel gets a blocked or packed copy, beside the original.
      for (const t of node.inputs) if (t && folded.has(t) && t.rank > 1) copiedBytes += bytesOf(t);
    }
  }
  const casts = layout === 'lean' ? live.filter((node) => isCastLate(graph.trace, node)) : [];
  const late = new Set(casts.flatMap(({ outputs }) => outputs));
  for (const t of computed) {
    if (late.has(t)) movedBytes += 1.5 * bytesOf(t);
    else copiedBytes += bytesOf(t);
  }
  const activationBytes = peakOf(run, graph, byTiles) + Math.max(0, ...[...late].map(bytesOf));
  return { nodes: run.length, flops, movedBytes, activationBytes, copiedBytes, mapped };
}

function placeOf(source: ConstantSource): string {
  return 'file' in source ? `${source.file.path}:${source.file.byteOffset}` : '';
}

/** Most bytes alive at once if every value is freed after its last use. Views share the memory of their operand. */
function peakOf(run: readonly Node[], graph: Graph, byTiles: (node: Node) => boolean): number {
  const { folded } = graph.trace;
  const owner = new Map<Tensor, Tensor>();
  const ownerOf = (t: Tensor) => owner.get(t) ?? t;
  const lastUse = new Map<Tensor, number>();
  run.forEach((node, i) => {
    const [operand] = node.inputs;
    if (VIEWS.has(node.op) && operand) owner.set(node.outputs[0], ownerOf(operand));
    for (const t of node.inputs) if (t) lastUse.set(ownerOf(t), i);
    for (const t of node.outputs) if (!lastUse.has(ownerOf(t))) lastUse.set(ownerOf(t), i);
  });
  for (const t of [...graph.outputs.values(), ...graph.inputs.values()]) lastUse.set(ownerOf(t), run.length);

  const freedAt = new Map<number, number>();
  for (const [t, i] of lastUse) {
    if (!folded.has(t)) freedAt.set(i, (freedAt.get(i) ?? 0) + bytesOf(t));
  }
  let alive = [...graph.inputs.values()].reduce((sum, t) => sum + bytesOf(t), 0);
  let peak = alive;
  run.forEach((node, i) => {
    for (const t of node.outputs) if (ownerOf(t) === t) alive += bytesOf(t);
    const windows = byTiles(node) ? winogradBytes(node).activations : 0;
    peak = Math.max(peak, alive + windows);
    alive -= freedAt.get(i) ?? 0;
  });
  return peak;
}
