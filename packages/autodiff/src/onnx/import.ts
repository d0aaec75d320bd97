/** @file Imports an ONNX model as a function inside a trace, so that any model exported to ONNX can be differentiated. */
import { type Shape, sameShape, show } from '../graph/shape.ts';
import { constant, currentTrace, Tensor, type TensorMap, type TensorSpec } from '../graph/trace.ts';
import { Call, type Value } from './call.ts';
import { decodeModel, dtypeOf, type Model, type ModelNode, type StoredTensor } from './decode.ts';
import { fold } from './fold.ts';
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
export function importOnnx(bytes: Uint8Array, options: ImportOptions = {}): ImportedModel {
  const model = inOneLine(() => imported(bytes, options));
  const apply = (given: TensorMap) => inOneLine(() => model(given));
  return Object.assign(apply, { inputs: model.inputs, outputs: model.outputs });
}

/** Names in a file may hold line breaks and escape sequences, which would act on the terminal; messages show them as `\\u001b`. */
function inOneLine<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof Error) {
      error.message = error.message.replaceAll(
        /\p{Cc}/gu,
        (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
      );
    }
    throw error;
  }
}

function imported(bytes: Uint8Array, { shapes = {}, folder }: ImportOptions): ImportedModel {
  const model = decodeModel(bytes);
  refuseUnknown(model.nodes);
  const inputs = inputSpecs(model, shapes);
  const { opset } = model;
  const stored = new Map(
    [...model.initializers].map(([name, tensor]) => [name, inFolder(name, tensor, folder)]),
  );

  const apply = (given: TensorMap): Record<string, Tensor> => {
    currentTrace('importOnnx');
    const values = new Map<string, Value | (() => Tensor)>(stored);
    for (const [name, spec] of Object.entries(inputs)) values.set(name, checked(name, spec, given[name]));
    const read = (name: string, node: ModelNode): Value | undefined => {
      if (name === '') return undefined;
      const value = values.get(name);
      if (value === undefined)
        throw new Error(`importOnnx: ${node.op} reads "${name}", which no node before it gives`);
      return typeof value === 'function' ? value() : value;
    };
    for (const node of model.nodes) {
      const operands = node.inputs.map((name) => read(name, node));
      const call = new Call(node, operands, opset);
      const result = fold(call, operands) ?? OPERATORS[keyOf(node)]?.(call);
      if (result === undefined) call.fail('its operands must follow from the shapes of the inputs');
      const results = Array.isArray(result) ? (result as readonly Value[]) : [result as Value];
      node.outputs.forEach((name, i) => {
        if (results[i]) values.set(name, results[i]);
      });
    }
    return Object.fromEntries(
      model.outputs.map(({ name }) => {
        const value = values.get(name);
        if (value === undefined) throw new Error(`importOnnx: no node gives the output "${name}"`);
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

function refuseUnknown(nodes: readonly ModelNode[]): void {
  const unknown = new Set(nodes.map(keyOf).filter((key) => !(key in OPERATORS) && !SHAPE_OPERATORS.has(key)));
  if (unknown.size > 0) {
    throw new Error(
      `importOnnx: no gradient rule for ${[...unknown].sort().join(', ')}; the importable operators are ${Object.keys(OPERATORS).join(', ')}`,
    );
  }
}

function inputSpecs(model: Model, shapes: Readonly<Record<string, Shape>>): Record<string, TensorSpec> {
  return Object.fromEntries(
    model.inputs.map(({ name, elementType, shape }) => {
      const dtype = dtypeOf(elementType);
      if (!dtype || dtype === 'float16') {
        throw new TypeError(
          `importOnnx: input "${name}" has the element type ${elementType} of onnx.TensorProto; only float32, int32, int64 and bool inputs are supported`,
        );
      }
      const given = shapes[name];
      const fits =
        given &&
        given.length === shape.length &&
        given.every((n, i) => typeof shape[i] !== 'number' || shape[i] === n);
      const open = shape.some((length) => typeof length !== 'number');
      if (given ? !fits : open) {
        throw new RangeError(
          `importOnnx: input "${name}" is [${shape.map((n) => n ?? '?').join(',')}] in the model, got ${given ? show(given) : 'no shape for it'}; give all its lengths in options.shapes`,
        );
      }
      return [name, { dtype, shape: given ?? (shape as number[]) }];
    }),
  );
}

function checked(name: string, { dtype, shape }: TensorSpec, tensor: Tensor | undefined): Tensor {
  if (!tensor || tensor.dtype !== dtype || !sameShape(tensor.shape, shape)) {
    throw new RangeError(
      `importOnnx: input "${name}" must be ${dtype}${show(shape)}, got ${tensor ?? 'nothing'}`,
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
  if (folder === undefined || inside === undefined) {
    throw new Error(
      `importOnnx: the numbers of "${name}" lie in the file "${location}"; give the model's folder in options.folder`,
    );
  }
  const file = {
    path: `${folder.replace(/\/+$/, '')}/${inside}`,
    byteOffset: Number(external.get('offset') ?? 0),
    byteLength: Number(external.get('length')),
  };
  const source = { dtype, shape, file };
  return () => constant(source);
}

/** A location as a path below the model's folder, or undefined where it is empty, absolute or leads out of it. */
function insideFolder(location: string): string | undefined {
  if (/^([\\/]|[A-Za-z]:)/.test(location)) return undefined;
  const parts: string[] = [];
  for (const part of location.split(/[\\/]/)) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.length === 0 ? undefined : parts.join('/');
}
