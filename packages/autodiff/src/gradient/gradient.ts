/** @file Reverse-mode differentiation: walks the tape of a trace backwards and emits the vector-Jacobian product. */

import { sameShape, show } from '../graph/shape.ts';
import {
  constant,
  currentTrace,
  type Graph,
  inTrace,
  scalar,
  type TapeEntry,
  type Tensor,
  type TensorMap,
} from '../graph/trace.ts';
import { add } from '../ops/arithmetic.ts';
import { controlDependency } from '../ops/control-dependency.ts';
import { expand, zerosLike } from '../ops/shape.ts';

export interface GradientOptions {
  /** Cotangent of `of`, of its shape. Without it `of` must hold one element, and the cotangent is 1. */
  readonly cotangent?: Tensor;
}

/**
 * Gradient of `of` (or the vector-Jacobian product with `cotangent`) with respect to each of `wrt`, inside the
 * current trace. A tensor that `of` does not depend on gets zeros.
 */
export function grad(of: Tensor, wrt: readonly Tensor[], { cotangent }: GradientOptions = {}): Tensor[] {
  const tape = currentTrace('grad').tape;
  if (!tape) throw new Error('grad: cannot be called inside an op that has a gradient rule of its own');
  if (!cotangent && of.size !== 1) {
    throw new RangeError(`grad: without a cotangent the result must hold one element, got ${show(of.shape)}`);
  }
  if (cotangent && !sameShape(cotangent.shape, of.shape)) {
    throw new RangeError(
      `grad: cotangent ${show(cotangent.shape)} does not fit the result ${show(of.shape)}`,
    );
  }
  const seed = cotangent ?? expand(scalar(1), of.shape);
  return reverse([...tape], new Map([[of, seed]]), wrt).map((g, i) => g ?? zerosLike(wrt[i]!));
}

/**
 * Adds to a traced program its gradient: the outputs of the result are those named in `keep` (none unless said) and
 * `grad:<name>` for each tensor of `wrt`.
 *
 * @param options.of name of an output of `graph`
 * @param options.wrt names of inputs of `graph`
 * @param options.cotangents name under which the cotangent of `of` becomes an input; without it `of` must hold one element
 */
export function gradient(
  graph: Graph,
  {
    of,
    wrt,
    cotangents,
    keep = [],
  }: { of: string; wrt: readonly string[]; cotangents?: string; keep?: readonly string[] },
): Graph {
  return inTrace(graph.trace, () => {
    const result = pick(graph.outputs, of, 'output');
    const inputs = wrt.map((name) => pick(graph.inputs, name, 'input'));
    const seed = cotangents
      ? graph.trace.addInput(cotangents, result.dtype, result.shape)
      : result.size === 1
        ? constant({ dtype: 'float32', shape: result.shape, data: Float32Array.of(1) })
        : undefined;
    const gradients = grad(result, inputs, { cotangent: seed });
    const outputs: Record<string, Tensor> = {};
    for (const name of keep) outputs[name] = pick(graph.outputs, name, 'output');
    wrt.forEach((name, i) => {
      outputs[`grad:${name}`] = gradients[i]!;
    });
    return {
      trace: graph.trace,
      inputs: graph.trace.inputs,
      outputs: new Map(Object.entries(outputs as TensorMap)),
      ...(seed && { backward: { seed, input: cotangents, gradients: wrt.map((name) => `grad:${name}`) } }),
    };
  });
}

function pick(from: ReadonlyMap<string, Tensor>, name: string, kind: string): Tensor {
  const tensor = from.get(name);
  if (!tensor) throw new Error(`gradient: no ${kind} "${name}"; there are ${[...from.keys()].join(', ')}`);
  return tensor;
}

/** Cotangents of `wrt` under `seeds`, following only the entries that lie between the two. */
function reverse(
  tape: readonly TapeEntry[],
  seeds: ReadonlyMap<Tensor, Tensor>,
  wrt: readonly Tensor[],
): (Tensor | undefined)[] {
  const active = new Set<Tensor>(wrt);
  for (const entry of tape) {
    if (entry.inputs.some((t) => active.has(t))) for (const t of entry.outputs) active.add(t);
  }
  const cotangents = new Map(seeds);
  for (let i = tape.length - 1; i >= 0; i--) {
    const entry = tape[i]!;
    const incoming = entry.outputs.map((t) => cotangents.get(t));
    if (incoming.every((t) => !t) || !entry.inputs.some((t) => active.has(t))) continue;
    const outgoing = entry.pullback(incoming);
    entry.inputs.forEach((t, k) => {
      const contribution = outgoing[k];
      if (!contribution || !active.has(t)) return;
      if (!sameShape(contribution.shape, t.shape)) {
        throw new Error(
          `${entry.name}: gradient of operand ${k} has shape ${show(contribution.shape)}, the operand ${show(t.shape)}`,
        );
      }
      const before = cotangents.get(t);
      cotangents.set(t, before ? add(before, contribution) : contribution);
    });
  }
  return wrt.map((t) => cotangents.get(t));
}

/**
 * Scores a block whose activations are not kept but computed again on the way back: memory for time.
 *
 * The block may use tensors from outside (weights); they receive gradients too. The second computation is tied to
 * the incoming cotangent, so that ONNX Runtime neither merges it with the first one nor runs it early. That tie goes
 * through the inputs: what the block computes from outside tensors alone is kept, not recomputed.
 */
export function checkpoint<A extends readonly Tensor[]>(
  fn: (...inputs: A) => Tensor,
): (...inputs: A) => Tensor {
  return (...inputs) => {
    const record = currentTrace('checkpoint');
    const outerTape = record.tape;
    if (!outerTape) return fn(...inputs);
    const runOnOwnTape = (...xs: A): [Tensor, TapeEntry[]] => {
      const before = record.tape;
      const own: TapeEntry[] = [];
      record.tape = own;
      try {
        return [fn(...xs), own];
      } finally {
        record.tape = before;
      }
    };
    const [output, block] = runOnOwnTape(...inputs);
    const captured = capturedBy(block, inputs);
    outerTape.push({
      name: 'checkpoint',
      inputs: [...inputs, ...captured],
      outputs: [output],
      pullback: ([cotangent]) => {
        if (!cotangent) return [];
        const waiting = inputs.map((x) => controlDependency(x, [cotangent])) as unknown as A;
        const [again, tape] = runOnOwnTape(...waiting);
        // So that the gradient can be differentiated in its turn.
        record.tape?.push(...tape);
        return reverse(tape, new Map([[again, cotangent]]), [...waiting, ...captured]);
      },
    });
    return output;
  };
}

function capturedBy(block: readonly TapeEntry[], inputs: readonly Tensor[]): Tensor[] {
  const inside = new Set<Tensor>(inputs);
  const captured = new Set<Tensor>();
  for (const entry of block) {
    for (const t of entry.inputs) if (!inside.has(t)) captured.add(t);
    for (const t of entry.outputs) inside.add(t);
  }
  return [...captured];
}
