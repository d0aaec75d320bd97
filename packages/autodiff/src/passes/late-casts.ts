/**
 * @file Constants that layout `lean` casts at run time. A large constant of half precision stays in its file; the float32
 * copy is made at each use and freed after it, instead of once for the life of the program.
 */
import { LARGEST_FOLDED } from '../graph/dtype.ts';
import type { Node, Tensor, Trace } from '../graph/trace.ts';
import type { NodeGraph } from './target.ts';

/** Whether layout `lean` leaves this node to run time: the cast of a large constant of half precision. */
export function isCastLate({ widened }: Trace, { inputs: [x], outputs: [y] }: Node): boolean {
  return widened.has(y) && x !== null && x.size > LARGEST_FOLDED;
}

export interface LateConstants {
  /** Large constants of half precision. */
  readonly casts: ReadonlySet<Tensor>;
  /** Nodes that compute something from these and other constants alone, by result. */
  readonly nodes: ReadonlyMap<Tensor, Node>;
}

export const NONE_LATE: LateConstants = { casts: new Set(), nodes: new Map() };

export function lateConstants({ trace, nodes: live }: NodeGraph): LateConstants {
  const casts = new Set<Tensor>();
  const nodes = new Map<Tensor, Node>();
  for (const node of live) {
    const [x] = node.inputs;
    const isCast = isCastLate(trace, node);
    if (isCast && x) casts.add(x);
    const isLate = isCast || node.inputs.some((t) => t !== null && nodes.has(t));
    if (isLate && node.outputs.every((t) => trace.folded.has(t)))
      for (const t of node.outputs) nodes.set(t, node);
  }
  return { casts, nodes };
}

/** Large constants that are used in another shape. ONNX Runtime would fold each such reshape into a copy. */
export function reshapedConstants({ trace, nodes }: NodeGraph): Tensor[] {
  return nodes.flatMap(({ op, inputs: [x] }) =>
    op === 'Reshape' && x && trace.constants.has(x) && x.size > LARGEST_FOLDED ? [x] : [],
  );
}
