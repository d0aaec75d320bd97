/** @file Imports an ONNX model as a function inside a trace, so that any model exported to ONNX can be differentiated. */
import { BYTES_PER_ELEMENT } from '../graph/dtype.ts';
import { type Shape, sameShape, show, sizeOf } from '../graph/shape.ts';
import { constant, currentTrace, Tensor, type TensorMap, type TensorSpec } from '../graph/trace.ts';
import { Call, ImportError, type Value } from './call.ts';
import { decodeModel, dtypeOf, type Model, type ModelNode, type StoredTensor } from './decode.ts';
import { fold } from './fold.ts';
import { FOLDED_FREELY, FOLDED_PER_STORED, quoted, shapeProblem } from './limits.ts';
import { OPERATORS, SHAPE_OPERATORS } from './operators.ts';

/** Options of `importOnnx`. */
export interface ImportOptions {
  /** Shapes of inputs, by name. Needed where the model leaves a length open. */
  readonly shapes?: Readonly<Record<string, Shape>>;
  /** The folder of the model (in a browser its URL), for weights in files beside it. */
  readonly folder?: string;
}

/** A model as a function inside a trace. */
export interface ImportedModel {
  (inputs: TensorMap): Record<string, Tensor>;
  /** Name, type and shape of each input, as `trace` takes them. */
  readonly inputs: Readonly<Record<string, TensorSpec>>;
  /** Names of the outputs. */
  readonly outputs: readonly string[];
}

/**
 * Reads an .onnx file. The result is called inside `trace` and gives the outputs of the model, differentiable with respect to
 * its inputs. Its weights become constants.
 *
 * Shapes must be static. float16 and float64 arithmetic becomes float32. The operators are those in operators.ts.
 *
 * @param bytes the contents of the file
 * @throws where the bytes are no model, or the model uses an operator, a type or an attribute that is not supported; the
 *   message names all unsupported operators at once
 *
 * Reference: github.com/onnx/onnx, docs/IR.md and docs/ExternalData.md.
 */
export function importOnnx(bytes: Uint8Array, { shapes = {}, folder }: ImportOptions = {}): ImportedModel {
  const model = decodeModel(bytes);
  refuseUnknown(model.nodes);
  refuseDoubles(model);
  const inputs = inputSpecs(model, shapes);
  const { opset } = model;
  const stored = new Map(
    [...model.initializers].map(([name, tensor]) => [name, inFolder(name, tensor, folder)]),
  );

  const sizes = [...model.initializers.values()].map(({ shape }) => sizeOf(shape));
  const mostComputed = FOLDED_FREELY + FOLDED_PER_STORED * sizes.reduce((a, b) => a + b, 0);

  const apply = (given: TensorMap): Record<string, Tensor> => {
    const { folded } = currentTrace('importOnnx');
    let computed = 0;
    /** Bounds what ONNX Runtime will compute from constants when it compiles. */
    const count = (result: Value, node: ModelNode) => {
      if (!(result instanceof Tensor && folded.has(result))) return;
      computed += result.size;
      if (computed <= mostComputed) return;
      throw new Error(
        `importOnnx: ${node.op} ${quoted(node.name || (node.outputs[0] ?? ''))}: ${computed} numbers would be computed from constants; there may be ${mostComputed}`,
      );
    };
    const values = new Map<string, Value | (() => Tensor)>(stored);
    for (const [name, spec] of Object.entries(inputs))
      values.set(name, checked(name, spec, Object.hasOwn(given, name) ? given[name] : undefined));
    const read = (name: string, node: ModelNode): Value | undefined => {
      if (name === '') return undefined;
      const value = values.get(name);
      if (value === undefined)
        throw new Error(`importOnnx: ${node.op} reads ${quoted(name)}, which no node before it gives`);
      return typeof value === 'function' ? value() : value;
    };
    for (const node of model.nodes) {
      const operands = node.inputs.map((name) => read(name, node));
      const results = resultsOf(new Call(node, operands, opset), operands);
      for (const result of results) count(result, node);
      node.outputs.forEach((name, i) => {
        if (results[i]) values.set(name, results[i]);
      });
    }
    return Object.fromEntries(
      model.outputs.map(({ name }) => {
        const value = values.get(name);
        if (value === undefined) throw new Error(`importOnnx: no node gives the output ${quoted(name)}`);
        const tensor = typeof value === 'function' ? value() : value;
        return [name, tensor instanceof Tensor ? tensor : constant(tensor)];
      }),
    );
  };
  return Object.assign(apply, { inputs, outputs: model.outputs.map(({ name }) => name) });
}

function keyOf({ domain, op }: ModelNode): string {
  return domain === '' ? op : `${domain}:${op}`;
}

/** What a node gives: known numbers, or tensors of the trace, of sizes that can be. */
function resultsOf(call: Call, operands: readonly (Value | undefined)[]): readonly Value[] {
  let result: Value | readonly Value[] | undefined;
  const key = keyOf(call.node);
  try {
    result = fold(call, operands) ?? (Object.hasOwn(OPERATORS, key) ? OPERATORS[key](call) : undefined);
  } catch (cause) {
    // Ops say what they were given; this adds for which node.
    if (cause instanceof ImportError) throw cause;
    const [reason] = String(cause instanceof Error ? cause.message : cause).split('\n');
    throw new ImportError(
      `importOnnx: ${key} ${quoted(call.node.name || (call.node.outputs[0] ?? ''))}: ${reason}`,
      { cause },
    );
  }
  if (result === undefined) return call.fail('its operands must follow from the shapes of the inputs');
  const results = Array.isArray(result) ? (result as readonly Value[]) : [result as Value];
  for (const { shape } of results) {
    const problem = shapeProblem(shape);
    if (problem !== undefined) call.fail(`its result has ${problem}`);
  }
  return results;
}

/** Names of operators in a message. */
const MOST_NAMED = 5;

/** @throws where two nodes give a value of one name, or a name cannot be that of an input or output */
function refuseDoubles({ nodes, initializers, inputs, outputs }: Model): void {
  const given = new Set(initializers.keys());
  const add = (name: string) => {
    if (name === '') return;
    if (given.has(name)) throw new Error(`importOnnx: the value ${quoted(name)} is given twice`);
    given.add(name);
  };
  for (const { name } of inputs) add(name);
  for (const node of nodes) for (const name of node.outputs) add(name);
  const last = outputs.map(({ name }) => name);
  if (new Set(last).size !== last.length) throw new Error('importOnnx: two outputs have one name');
  const wrong = [...inputs.map(({ name }) => name), ...last].find(
    (name) => name === '' || name === '__proto__',
  );
  if (wrong !== undefined)
    throw new Error(`importOnnx: an input or output cannot be called ${quoted(wrong)}`);
}

function refuseUnknown(nodes: readonly ModelNode[]): void {
  const isKnown = (key: string) => Object.hasOwn(OPERATORS, key) || SHAPE_OPERATORS.has(key);
  const unknown = [...new Set(nodes.map(keyOf).filter((key) => !isKnown(key)))].sort();
  if (unknown.length > 0) {
    const named = unknown.slice(0, MOST_NAMED).map((key) => quoted(key).slice(1, -1));
    const more = unknown.length > MOST_NAMED ? ` and ${unknown.length - MOST_NAMED} more` : '';
    throw new Error(
      `importOnnx: no gradient rule for ${named.join(', ')}${more}; the importable operators are ${Object.keys(OPERATORS).join(', ')}`,
    );
  }
}

function inputSpecs(model: Model, shapes: Readonly<Record<string, Shape>>): Record<string, TensorSpec> {
  return Object.fromEntries(
    model.inputs.map(({ name, elementType, shape }) => {
      const dtype = dtypeOf(elementType);
      if (!dtype || dtype === 'float16') {
        throw new TypeError(
          `importOnnx: input ${quoted(name)} has the element type ${elementType} of onnx.TensorProto; only float32, int32, int64 and bool inputs are supported`,
        );
      }
      const given = Object.hasOwn(shapes, name) ? shapes[name] : undefined;
      const fits =
        given &&
        given.length === shape.length &&
        given.every((n, i) => typeof shape[i] !== 'number' || shape[i] === n);
      const open = shape.some((length) => typeof length !== 'number');
      if (given ? !fits : open) {
        throw new RangeError(
          `importOnnx: input ${quoted(name)} is [${shape
            .map((n) => n ?? '?')
            .join(',')
            .slice(
              0,
              80,
            )}] in the model, got ${given ? show(given) : 'no shape for it'}; give all its lengths in options.shapes`,
        );
      }
      const lengths = given ?? (shape as number[]);
      const problem = shapeProblem(lengths);
      if (problem !== undefined) throw new RangeError(`importOnnx: input ${quoted(name)} has ${problem}`);
      return [name, { dtype, shape: lengths }];
    }),
  );
}

function checked(name: string, { dtype, shape }: TensorSpec, tensor: Tensor | undefined): Tensor {
  if (!tensor || tensor.dtype !== dtype || !sameShape(tensor.shape, shape)) {
    throw new RangeError(
      `importOnnx: input ${quoted(name)} must be ${dtype}${show(shape)}, got ${tensor ?? 'nothing'}`,
    );
  }
  return tensor;
}

/** Numbers in the model stay as they are; numbers beside it become a constant that points into the file. */
function inFolder(name: string, stored: StoredTensor, folder: string | undefined): Value | (() => Tensor) {
  if ('data' in stored) return stored;
  const { dtype, shape, external } = stored;
  const location = external.get('location') ?? '';
  const inside = insideFolder(location);
  if (inside === undefined) {
    throw new Error(
      `importOnnx: the numbers of ${quoted(name)} lie in the file ${quoted(location)}; it must be a relative path below the model's folder, without ..`,
    );
  }
  if (folder === undefined) {
    throw new Error(
      `importOnnx: the numbers of ${quoted(name)} lie in the file ${quoted(location)}; give the model's folder in options.folder`,
    );
  }
  const file = {
    path: `${folder.replace(/\/+$/, '')}/${inside}`,
    byteOffset: wholeNumber(name, 'offset', external, 0),
    byteLength: wholeNumber(name, 'length', external, sizeOf(shape) * BYTES_PER_ELEMENT[dtype]),
    within: folder,
  };
  const bytes = sizeOf(shape) * BYTES_PER_ELEMENT[dtype];
  if (file.byteLength !== bytes) {
    throw new Error(
      `importOnnx: the numbers of ${quoted(name)}, ${dtype}${show(shape)}, are ${bytes} bytes, but its length is ${file.byteLength}`,
    );
  }
  const source = { dtype, shape, file };
  return () => constant(source);
}

/** A number of the place of a tensor beside the model. */
function wholeNumber(
  name: string,
  key: string,
  external: ReadonlyMap<string, string>,
  otherwise: number,
): number {
  const text = external.get(key);
  if (text === undefined) return otherwise;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new Error(
    `importOnnx: the ${key} of ${quoted(name)} in its file is ${quoted(text)}; it must be a whole number from 0`,
  );
}

/** A location as a path below the model's folder, or undefined where it is empty, absolute, or goes up. */
function insideFolder(location: string): string | undefined {
  if (/^([\\/]|[A-Za-z]:)|\0/.test(location)) return undefined;
  const parts: string[] = [];
  for (const part of location.split(/[\\/]/)) {
    if (part === '' || part === '.') continue;
    // In a browser the location is part of a URL.
    if (/^(\.|%2e){2}$/i.test(part)) return undefined;
    parts.push(part);
  }
  return parts.length === 0 ? undefined : parts.join('/');
}
