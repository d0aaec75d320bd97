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
import { concat, slice, zerosLike } from '../ops/shape.ts';

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

/** How a block is computed. */
export interface CheckpointOptions {
  /**
   * Number of pieces that its inputs are cut into along an axis, as equal as they can be. They are computed one after the other, forward and
   * backward, so that the working memory is that of one. Default 1.
   */
  readonly pieces?: number;
  /** The axis: of the same length in all inputs, and in the output that of the piece. Default 0. */
  readonly axis?: number;
}

/**
 * A block whose activations are not kept: the backward pass computes them again. It trades time for memory.
 *
 * The block may use tensors from outside (weights); they get gradients too. The inputs of the second computation depend on
 * the incoming cotangent, so that ONNX Runtime neither merges it with the first one nor runs it early. Results that depend
 * on tensors from outside alone are kept.
 *
 * In pieces, each piece waits for the one before, or ONNX Runtime would hold several at once.
 *
 * @throws RangeError where the inputs do not have as many places along the axis as there are pieces
 *
 * Reference: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"; torch.utils.checkpoint.
 */
export function checkpoint<A extends readonly Tensor[]>(
  fn: (...inputs: A) => Tensor,
  { pieces = 1, axis = 0 }: CheckpointOptions = {},
): (...inputs: A) => Tensor {
  return (...inputs) => {
    const record = currentTrace('checkpoint');
    const outerTape = record.tape;
    const ranges = rangesOf(inputs, pieces, axis);
    /** Takes one piece of each tensor, which is there only after those of `after`. */
    const piece = (xs: readonly Tensor[], range: Range, after: readonly Tensor[]) =>
      xs.map((x) => controlDependency(pieces === 1 ? x : slice(x, [{ axis, ...range }]), after));
    const inOrder = <T>(compute: (range: Range, before: readonly T[]) => T): T[] => {
      const done: T[] = [];
      for (const range of ranges) done.push(compute(range, done.slice(-1)));
      return done;
    };
    const joined = (parts: readonly Tensor[]) => (parts.length === 1 ? parts[0] : concat(parts, axis));
    if (!outerTape) {
      return joined(
        inOrder<Tensor>((range, before) => fn(...(piece(inputs, range, before) as unknown as A))),
      );
    }
    const onTape = <T>(tape: TapeEntry[], run: () => T): T => {
      const before = record.tape;
      record.tape = tape;
      try {
        return run();
      } finally {
        record.tape = before;
      }
    };
    const runOnOwnTape = (xs: readonly Tensor[]): [Tensor, TapeEntry[]] => {
      const own: TapeEntry[] = [];
      return [onTape(own, () => fn(...(xs as unknown as A))), own];
    };
    const captured = new Set<Tensor>();
    // What cuts and joins is part of the block, and so not on the tape outside of it.
    const output = onTape([], () =>
      joined(
        inOrder<Tensor>((range, before) => {
          const xs = piece(inputs, range, before);
          const [result, block] = runOnOwnTape(xs);
          for (const t of capturedBy(block, xs)) captured.add(t);
          return result;
        }),
      ),
    );
    outerTape.push({
      name: 'checkpoint',
      inputs: [...inputs, ...captured],
      outputs: [output],
      pullback: ([cotangent]) => {
        if (!cotangent) return [];
        const gradients = inOrder<(Tensor | undefined)[]>((range, [before = []]) => {
          const [seed] = piece([cotangent], range, []);
          const done = before.find((t) => t !== undefined);
          const waiting = piece(inputs, range, done ? [seed, done] : [seed]);
          const [again, tape] = runOnOwnTape(waiting);
          // So that the gradient can be differentiated too.
          record.tape?.push(...tape);
          return reverse(tape, new Map([[again, seed]]), [...waiting, ...captured]);
        });
        return [...inputs, ...captured].map((_, i) => {
          const parts = gradients.map((each) => each[i]);
          const found = parts.filter((t) => t !== undefined);
          if (found.length === 0) return undefined;
          if (i >= inputs.length) return found.reduce((sum, t) => add(sum, t));
          return joined(parts.map((t, k) => t ?? zerosLike(piece([inputs[i]], ranges[k], [])[0])));
        });
      },
    });
    return output;
  };
}

type Range = { readonly start: number; readonly end: number };

/** Ranges of nearly equal length that make up an axis. A single piece is the whole, whatever its axes are. */
function rangesOf(inputs: readonly Tensor[], pieces: number, axis: number): Range[] {
  if (pieces === 1) return [{ start: 0, end: 0 }];
  const [length, ...others] = inputs.map((x) => x.shape[axis]);
  if (others.some((other) => other !== length) || !(pieces >= 1 && pieces <= length)) {
    throw new RangeError(
      `checkpoint: ${pieces} pieces do not fit axis ${axis} of ${inputs.map((x) => show(x.shape)).join(', ')}`,
    );
  }
  return Array.from({ length: pieces }, (_, i) => ({
    start: Math.floor((i * length) / pieces),
    end: Math.floor(((i + 1) * length) / pieces),
  }));
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
