/** @file Reverse-mode differentiation: reads the tape of a trace backwards and emits the vector-Jacobian product. */
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
import { controlDependency } from '../ops/control-dependency.ts';
import { add, expand } from '../ops/core.ts';
import { zerosLike } from '../ops/shape.ts';

/** Options of `grad`. */
export interface GradientOptions {
  /** Cotangent of `of`, of the same shape. Default: 1, for which `of` must hold one element. */
  readonly cotangent?: Tensor;
}

/**
 * Gradient of `of` (or the vector-Jacobian product with `cotangent`) with respect to each of `wrt`, inside the current trace.
 * A tensor that `of` does not depend on gets zeros.
 *
 * @param wrt inputs or computed tensors
 * @returns one tensor for each of `wrt`, of its shape
 * @throws RangeError where `of` holds more than one element and there is no cotangent, or the cotangent has another shape
 *
 * Reference: torch.autograd.grad.
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
  return reverse([...tape], new Map([[of, seed]]), wrt).map((g, i) => g ?? zerosLike(wrt[i]));
}

/**
 * The gradient of a traced program, as a program.
 *
 * @param options.of name of an output of `graph`
 * @param options.wrt names of inputs of `graph`
 * @param options.cotangents name of a new input, the cotangent of `of`. Without it `of` must hold one element
 * @param options.keep names of outputs that stay outputs. Default none
 * @returns a program with the outputs in `keep` and `grad:<name>` for each name in `wrt`
 * @throws where a name is unknown, or `of` holds more than one element and there is no cotangent
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
      outputs[`grad:${name}`] = gradients[i];
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

/** Cotangents of `wrt` for those in `seeds`. Only entries between the two are followed. */
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
    const entry = tape[i];
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
 * A block whose activations are not kept: the backward pass computes them again. It trades time for memory.
 *
 * The block may use tensors from outside (weights); they get gradients too. The inputs of the second computation depend on
 * the incoming cotangent, so that ONNX Runtime neither merges it with the first one nor runs it early. Results that depend
 * on tensors from outside alone are kept.
 *
 * Reference: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"; torch.utils.checkpoint.
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
        // So that the gradient can be differentiated too.
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
