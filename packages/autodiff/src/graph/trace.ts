/**
 * @file Tracing. A tensor program runs once on symbols and records two things: a list of ONNX nodes, and a tape with the
 * gradient rule of each op.
 *
 * The nodes are executed. The tape is read in reverse by `gradient`, which emits ordinary nodes into the same trace. So a
 * gradient is a program like any other and can be differentiated again.
 */
import { BYTES_PER_ELEMENT, type DType, type TypedArray } from './dtype.ts';
import { type Shape, show, sizeOf } from './shape.ts';

/** A symbol for a value inside a trace: element type and static shape, no numbers. */
export class Tensor {
  /** Number of the tensor within its trace. */
  readonly id: number;
  readonly dtype: DType;
  readonly shape: Shape;
  /**
   * The trace that the tensor belongs to.
   *
   * @internal
   */
  readonly trace: Trace;

  constructor(id: number, dtype: DType, shape: Shape, trace: Trace) {
    this.id = id;
    this.dtype = dtype;
    this.shape = shape;
    this.trace = trace;
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** `float32[2,3]`, for messages. */
  toString(): string {
    return `${this.dtype}${show(this.shape)}`;
  }
}

/**
 * Numbers that are fixed when a program is compiled: an array, or a range of bytes in a file that ONNX Runtime maps. In a
 * browser `path` is a URL.
 */
export type ConstantSource = {
  readonly dtype: DType;
  readonly shape: Shape;
  /** What it is, for messages. */
  readonly label?: string;
} & (
  | { readonly data: TypedArray }
  | {
      readonly file: {
        readonly path: string;
        readonly byteOffset: number;
        readonly byteLength: number;
        /** The folder that the file must be in when links are resolved, for a path that was read from a file. Default: any. */
        readonly within?: string;
      };
    }
);

export type Attribute = number | string | readonly number[] | { readonly float: number };

/** One call of an ONNX operator. `null` stands for an optional input that is left out. */
export interface Node {
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly (Tensor | null)[];
  readonly outputs: readonly Tensor[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/**
 * A gradient rule: from the cotangent of each output (undefined means zero) to the cotangent of each input (undefined means
 * zero or not differentiable).
 */
export type Pullback = (cotangents: readonly (Tensor | undefined)[]) => readonly (Tensor | undefined)[];

export interface TapeEntry {
  readonly name: string;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly pullback: Pullback;
}

export class Trace {
  readonly nodes: Node[] = [];
  readonly constants = new Map<Tensor, ConstantSource>();
  readonly inputs = new Map<string, Tensor>();
  /** Constants, and what is computed from constants alone. ONNX Runtime computes these once, when compiling. */
  readonly folded = new Set<Tensor>();
  /** float32 tensors that are casts of constants of half precision, to these constants. */
  readonly widened = new Map<Tensor, Tensor>();
  /** Undefined while an op that has a rule of its own emits the nodes inside it. */
  tape: TapeEntry[] | undefined = [];
  private nextId = 0;
  private readonly constantOf = new Map<ConstantSource, Tensor>();
  private readonly scalarOf = new Map<string, Tensor>();

  newTensor(dtype: DType, shape: Shape): Tensor {
    return new Tensor(this.nextId++, dtype, [...shape], this);
  }

  addInput(name: string, dtype: DType, shape: Shape): Tensor {
    if (this.inputs.has(name)) throw new Error(`trace: input "${name}" is declared twice`);
    const tensor = this.newTensor(dtype, shape);
    this.inputs.set(name, tensor);
    return tensor;
  }

  addConstant(source: ConstantSource): Tensor {
    const known = this.constantOf.get(source);
    if (known) return known;
    const tensor = this.newTensor(source.dtype, source.shape);
    this.constants.set(tensor, source);
    this.folded.add(tensor);
    this.constantOf.set(source, tensor);
    return tensor;
  }

  /** A small constant (scalar, axes, shape). Equal ones are one tensor. */
  addSmallConstant(dtype: DType, shape: Shape, values: readonly number[]): Tensor {
    const key = `${dtype}${show(shape)}${values.map((v) => (Object.is(v, -0) ? '-0' : v)).join(',')}`;
    let tensor = this.scalarOf.get(key);
    if (!tensor) {
      tensor = this.addConstant({ dtype, shape: [...shape], data: toTyped(dtype, values) });
      this.scalarOf.set(key, tensor);
    }
    return tensor;
  }
}

function toTyped(dtype: DType, values: readonly number[]): TypedArray {
  if (dtype === 'int64') return BigInt64Array.from(values, (v) => BigInt(v));
  if (dtype === 'int32') return Int32Array.from(values);
  if (dtype === 'bool') return Uint8Array.from(values);
  if (dtype === 'float32') return Float32Array.from(values);
  throw new TypeError(`constant: no small constants of type ${dtype}; use float32 and cast`);
}

let current: Trace | undefined;

/**
 * The trace that ops are recorded in.
 *
 * @throws outside of `trace(...)`
 */
export function currentTrace(who: string): Trace {
  if (!current) throw new Error(`${who}: called outside of trace(...); ops work on symbols, not on numbers`);
  return current;
}

/** Runs `fn` with `trace` as the one that ops are recorded in. */
export function inTrace<T>(trace: Trace, fn: () => T): T {
  const before = current;
  current = trace;
  try {
    return fn();
  } finally {
    current = before;
  }
}

/** Element type and shape of an input. */
export interface TensorSpec {
  /** Default float32. */
  readonly dtype?: DType;
  readonly shape: Shape;
}

/** Tensors by name. */
export type TensorMap = Readonly<Record<string, Tensor>>;

/** A traced program: named inputs, named outputs. */
export interface Graph {
  /** @internal */
  readonly trace: Trace;
  readonly inputs: ReadonlyMap<string, Tensor>;
  readonly outputs: ReadonlyMap<string, Tensor>;
  /**
   * Only in programs that `gradient` made.
   *
   * @internal
   */
  readonly backward?: Backward;
}

/** The backward pass of a program. Its results are proportional to the cotangent that it begins with. */
export interface Backward {
  /** The cotangent that the backward pass begins with. */
  readonly seed: Tensor;
  /** The name of the input that it is, unless it is the number 1. */
  readonly input?: string;
  /** Names of the outputs that are gradients. */
  readonly gradients: readonly string[];
}

/**
 * Traces a tensor program.
 *
 * @param inputs name to shape and element type of everything that changes between runs
 * @param fn called once with a symbol for each input; returns the outputs by name
 * @throws where an op refuses its operands; the message names the op and their shapes
 *
 * Reference: Frostig et al. 2018, "Compiling machine learning programs via high-level tracing".
 */
export function trace<const I extends Readonly<Record<string, TensorSpec>>>(
  inputs: I,
  fn: (inputs: { readonly [K in keyof I]: Tensor }) => TensorMap,
): Graph {
  const record = new Trace();
  return inTrace(record, () => {
    const symbols: Record<string, Tensor> = {};
    for (const [name, { dtype = 'float32', shape }] of Object.entries(inputs)) {
      symbols[name] = record.addInput(name, dtype, shape);
    }
    const outputs = fn(symbols as { readonly [K in keyof I]: Tensor });
    return { trace: record, inputs: record.inputs, outputs: new Map(Object.entries(outputs)) };
  });
}

/** The constants that a program was traced with, each once. */
export function constantsOf({ trace: { constants } }: Graph): ConstantSource[] {
  return [...constants.values()];
}

/**
 * Declares a further input from inside a trace, for instance a parameter that a layer needs.
 *
 * @throws where the name is taken
 */
export function input(name: string, shape: Shape, dtype: DType = 'float32'): Tensor {
  return currentTrace('input').addInput(name, dtype, shape);
}

/**
 * A constant from an array or from a range of bytes in a file. The same source object gives the same tensor.
 *
 * @throws RangeError where the numbers do not fill the shape
 *
 * Reference: github.com/onnx/onnx, docs/ExternalData.md.
 */
export function constant(source: ConstantSource): Tensor {
  if ('data' in source && source.data.length !== sizeOf(source.shape)) {
    throw new RangeError(
      `constant: ${source.data.length} numbers do not fill shape ${show(source.shape)} (${sizeOf(source.shape)})`,
    );
  }
  if ('file' in source) {
    const bytes = sizeOf(source.shape) * BYTES_PER_ELEMENT[source.dtype];
    if (source.file.byteLength !== bytes) {
      throw new RangeError(
        `constant: ${source.file.byteLength} bytes of ${source.file.path} do not hold ${source.dtype}${show(source.shape)} (${bytes} bytes)`,
      );
    }
  }
  return currentTrace('constant').addConstant(source);
}

/** A scalar constant, of shape []. */
export function scalar(value: number, dtype: DType = 'float32'): Tensor {
  return currentTrace('scalar').addSmallConstant(dtype, [], [value]);
}

/** A small one-dimensional int64 constant: the form in which ONNX takes axes, shapes and bounds. */
export function int64s(values: readonly number[]): Tensor {
  return currentTrace('int64s').addSmallConstant('int64', [values.length], values);
}

export interface EmitOptions {
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly domain?: string;
}

/** Emits one ONNX node with a single output. It has no gradient; `differentiable` adds one. */
export function emit(
  op: string,
  inputs: readonly (Tensor | null)[],
  dtype: DType,
  shape: Shape,
  options: EmitOptions = {},
): Tensor {
  return emitMany(op, inputs, [{ dtype, shape }], options)[0];
}

/** Throws unless all operands have one element type. ONNX Runtime would complain only when compiling. */
export function checkTypes(who: string, operands: Readonly<Record<string, Tensor | undefined>>): void {
  const given = Object.entries(operands).filter((entry): entry is [string, Tensor] => entry[1] !== undefined);
  if (new Set(given.map(([, t]) => t.dtype)).size > 1) {
    const list = given.map(([name, t]) => `${name} ${t}`).join(' and ');
    throw new TypeError(`${who}: operands differ in type, got ${list}; cast one of them`);
  }
}

/** Emits one ONNX node with several outputs. */
export function emitMany(
  op: string,
  inputs: readonly (Tensor | null)[],
  outputs: readonly TensorSpec[],
  { attributes = {}, domain = '' }: EmitOptions = {},
): Tensor[] {
  const record = currentTrace(op);
  for (const tensor of inputs) {
    if (tensor && tensor.trace !== record)
      throw new Error(`${op}: operand ${tensor} belongs to another trace`);
  }
  const tensors = outputs.map(({ dtype = 'float32', shape }) => record.newTensor(dtype, shape));
  record.nodes.push({ op, domain, inputs, outputs: tensors, attributes });
  if (inputs.every((t) => !t || record.folded.has(t))) for (const t of tensors) record.folded.add(t);
  return tensors;
}

/**
 * Runs `forward` and records `pullback` as its gradient rule. Ops called inside `forward` leave no tape entries, so a
 * composite op can have a better gradient than the chain rule would give it. A rule that uses only inputs, outputs and other
 * ops can be differentiated again.
 */
export function differentiable<T extends Tensor | readonly Tensor[]>(
  name: string,
  inputs: readonly Tensor[],
  forward: () => T,
  pullback: (cotangents: readonly (Tensor | undefined)[], outputs: T) => readonly (Tensor | undefined)[],
): T {
  const record = currentTrace(name);
  const tape = record.tape;
  record.tape = undefined;
  let out: T;
  try {
    out = forward();
  } finally {
    record.tape = tape;
  }
  const outputs = out instanceof Tensor ? [out] : (out as readonly Tensor[]);
  tape?.push({ name, inputs, outputs, pullback: (cotangents) => pullback(cotangents, out) });
  return out;
}

/** `differentiable` for ops with one output. The rule runs only where its cotangent is not zero. */
export function differentiableOne(
  name: string,
  inputs: readonly Tensor[],
  forward: () => Tensor,
  pullback: (cotangent: Tensor, output: Tensor) => readonly (Tensor | undefined)[],
): Tensor {
  return differentiable(name, inputs, forward, ([cotangent], output) =>
    cotangent ? pullback(cotangent, output) : inputs.map(() => undefined),
  );
}
