/**
 * @file Reads an ONNX model into plain objects. Field numbers are those of onnx.proto3. Fields that an import does not need
 * (documentation, metadata, inferred shapes) are skipped.
 */
import { BinaryReader, type WireType } from '@bufbuild/protobuf/wire';
import { BYTES_PER_ELEMENT, type DType, ONNX_DTYPE, type TypedArray } from '../graph/dtype.ts';
import { type Shape, sizeOf } from '../graph/shape.ts';
import { quoted, shapeProblem } from './limits.ts';

/** Numbers that are stored in the model or in a file beside it. */
export type StoredTensor =
  | { readonly dtype: DType; readonly shape: Shape; readonly data: TypedArray }
  | { readonly dtype: DType; readonly shape: Shape; readonly external: ReadonlyMap<string, string> };

export type ModelAttribute = number | string | readonly number[] | readonly string[] | StoredTensor | 'graph';

export interface ModelNode {
  readonly op: string;
  readonly name: string;
  readonly domain: string;
  /** An empty name stands for an input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, ModelAttribute>;
}

export interface ModelValue {
  readonly name: string;
  readonly elementType: number;
  /** Lengths. A string names a length that is known only when the model runs; undefined is such a length without a name. */
  readonly shape: readonly (number | string | undefined)[];
}

export interface Model {
  /** Version of the standard operator set. */
  readonly opset: number;
  readonly nodes: readonly ModelNode[];
  readonly initializers: ReadonlyMap<string, StoredTensor>;
  readonly inputs: readonly ModelValue[];
  readonly outputs: readonly ModelValue[];
}

/** Parses the bytes of an .onnx file. */
export function decodeModel(bytes: Uint8Array): Model {
  let opset: number | undefined;
  let graph: Uint8Array | undefined;
  try {
    fields(bytes, (reader, field) => {
      if (field === 7) graph = reader.bytes();
      else if (field === 8) {
        const [domain, version] = decodeOpset(reader.bytes());
        if (domain === '') opset = version;
      } else return false;
      return true;
    });
    if (!graph || opset === undefined) throw new Error('it holds no graph or names no operator set');
    return { opset, ...decodeGraph(graph) };
  } catch (cause) {
    if (cause instanceof UnsupportedTensor) throw cause;
    const [reason] = String((cause as Error).message).split('\n');
    throw new Error(`importOnnx: this is no ONNX model (${reason})`, { cause });
  }
}

/** A tensor of a type that cannot be imported, in a valid model. */
class UnsupportedTensor extends Error {}

/** Calls `take` for each field. Fields for which it returns false are skipped. */
function fields(
  bytes: Uint8Array,
  take: (reader: BinaryReader, field: number, wire: WireType) => boolean,
): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (!take(reader, field, wire)) reader.skip(wire, field);
  }
}

/** A repeated number: packed into one field, or one field per number. */
function repeated(
  reader: BinaryReader,
  wire: WireType,
  read: (r: BinaryReader) => number,
  into: number[],
): true {
  if (wire !== LENGTH_DELIMITED) into.push(read(reader));
  else {
    const inner = new BinaryReader(reader.bytes());
    while (inner.pos < inner.len) into.push(read(inner));
  }
  return true;
}

const LENGTH_DELIMITED = 2;
const integer = (reader: BinaryReader) => Number(reader.int64());
const float = (reader: BinaryReader) => reader.float();

function decodeOpset(bytes: Uint8Array): [string, number] {
  let domain = '';
  let version = 0;
  fields(bytes, (reader, field) => {
    if (field === 1) domain = reader.string();
    else if (field === 2) version = integer(reader);
    else return false;
    return true;
  });
  return [domain === 'ai.onnx' ? '' : domain, version];
}

function decodeGraph(bytes: Uint8Array): Omit<Model, 'opset'> {
  const nodes: ModelNode[] = [];
  const initializers = new Map<string, StoredTensor>();
  const inputs: ModelValue[] = [];
  const outputs: ModelValue[] = [];
  fields(bytes, (reader, field) => {
    if (field === 1) nodes.push(decodeNode(reader.bytes()));
    else if (field === 5) {
      const [name, tensor] = decodeTensor(reader.bytes());
      if (initializers.has(name)) throw new Error(`the tensor ${quoted(name)} is there twice`);
      initializers.set(name, tensor);
    } else if (field === 11) inputs.push(decodeValue(reader.bytes()));
    else if (field === 12) outputs.push(decodeValue(reader.bytes()));
    else return false;
    return true;
  });
  return { nodes, initializers, inputs: inputs.filter(({ name }) => !initializers.has(name)), outputs };
}

function decodeNode(bytes: Uint8Array): ModelNode {
  const node = { op: '', name: '', domain: '', inputs: [] as string[], outputs: [] as string[] };
  const attributes = new Map<string, ModelAttribute>();
  fields(bytes, (reader, field) => {
    if (field === 1) node.inputs.push(reader.string());
    else if (field === 2) node.outputs.push(reader.string());
    else if (field === 3) node.name = reader.string();
    else if (field === 4) node.op = reader.string();
    else if (field === 5) {
      const [name, value] = decodeAttribute(reader.bytes());
      if (attributes.has(name)) throw new Error(`a node has the attribute ${quoted(name)} twice`);
      attributes.set(name, value);
    } else if (field === 7) node.domain = reader.string();
    else return false;
    return true;
  });
  return { ...node, domain: node.domain === 'ai.onnx' ? '' : node.domain, attributes };
}

function decodeAttribute(bytes: Uint8Array): [string, ModelAttribute] {
  let name = '';
  let type = 0;
  let scalar: ModelAttribute = 0;
  const text = new TextDecoder();
  const numbers: number[] = [];
  const strings: string[] = [];
  fields(bytes, (reader, field, wire) => {
    if (field === 1) name = reader.string();
    else if (field === 2) scalar = reader.float();
    else if (field === 3) scalar = integer(reader);
    else if (field === 4) scalar = text.decode(reader.bytes());
    else if (field === 5) scalar = decodeTensor(reader.bytes())[1];
    else if (field === 7) return repeated(reader, wire, float, numbers);
    else if (field === 8) return repeated(reader, wire, integer, numbers);
    else if (field === 9) strings.push(text.decode(reader.bytes()));
    else if (field === 20) type = reader.int32();
    else return false;
    return true;
  });
  const [FLOATS, INTS, STRINGS] = [6, 7, 8];
  if (type === FLOATS || type === INTS) return [name, numbers];
  if (type === STRINGS) return [name, strings];
  const hasScalar = type >= 1 && type <= 4;
  return [name, hasScalar ? scalar : 'graph'];
}

function decodeTensor(bytes: Uint8Array): [string, StoredTensor] {
  let name = '';
  let type = 0;
  let raw: Uint8Array | undefined;
  let outside = false;
  const shape: number[] = [];
  const numbers: number[] = [];
  const external = new Map<string, string>();
  fields(bytes, (reader, field, wire) => {
    if (field === 1) return repeated(reader, wire, integer, shape);
    if (field === 2) type = reader.int32();
    else if (field === 4) return repeated(reader, wire, float, numbers);
    else if (field === 5 || field === 7) return repeated(reader, wire, integer, numbers);
    else if (field === 8) name = reader.string();
    else if (field === 9) raw = reader.bytes();
    else if (field === 13) {
      const [key, value] = decodeEntry(reader.bytes());
      external.set(key, value);
    } else if (field === 14) outside = reader.int32() === 1;
    else return false;
    return true;
  });
  const dtype = dtypeOf(type);
  if (!dtype) {
    throw new UnsupportedTensor(
      `importOnnx: tensor ${quoted(name)} has the element type ${type} of onnx.TensorProto; only float32, float16, int32, int64 and bool can be imported`,
    );
  }
  const problem = shapeProblem(shape);
  if (problem !== undefined) throw new UnsupportedTensor(`importOnnx: tensor ${quoted(name)} has ${problem}`);
  if (outside) return [name, { dtype, shape, external }];
  const size = sizeOf(shape);
  const length = raw ? raw.length / BYTES_PER_ELEMENT[dtype] : numbers.length;
  if (length !== size) throw new Error(`tensor ${quoted(name)} [${shape}] holds ${length} numbers`);
  return [name, { dtype, shape, data: raw ? typedBytes(dtype, raw) : typedNumbers(dtype, numbers) }];
}

function decodeEntry(bytes: Uint8Array): [string, string] {
  let key = '';
  let value = '';
  fields(bytes, (reader, field) => {
    if (field === 1) key = reader.string();
    else if (field === 2) value = reader.string();
    else return false;
    return true;
  });
  return [key, value];
}

function decodeValue(bytes: Uint8Array): ModelValue {
  let name = '';
  let elementType = 0;
  const shape: (number | string | undefined)[] = [];
  const dimension = (dimensionBytes: Uint8Array) => {
    let length: number | string | undefined;
    fields(dimensionBytes, (reader, field) => {
      if (field === 1) length = integer(reader);
      else if (field === 2) length = reader.string();
      else return false;
      return true;
    });
    shape.push(length);
  };
  const inside = (wanted: number, then: (inner: Uint8Array) => void) => (outer: Uint8Array) =>
    fields(outer, (reader, field) => {
      if (field !== wanted) return false;
      then(reader.bytes());
      return true;
    });
  const tensorType = (typeBytes: Uint8Array) =>
    fields(typeBytes, (reader, field) => {
      if (field === 1) elementType = reader.int32();
      else if (field === 2) inside(1, dimension)(reader.bytes());
      else return false;
      return true;
    });
  fields(bytes, (reader, field) => {
    if (field === 1) name = reader.string();
    else if (field === 2) inside(1, tensorType)(reader.bytes());
    else return false;
    return true;
  });
  return { name, elementType, shape };
}

/** The element type with this number in onnx.TensorProto, if this package has it. */
export function dtypeOf(type: number): DType | undefined {
  return (Object.keys(ONNX_DTYPE) as DType[]).find((dtype) => ONNX_DTYPE[dtype] === type);
}

function typedBytes(dtype: DType, raw: Uint8Array): TypedArray {
  // A copy, because the bytes may start anywhere (and slice() of Node's Buffer makes none).
  const { buffer } = new Uint8Array(raw);
  if (dtype === 'float32') return new Float32Array(buffer);
  if (dtype === 'float16') return new Uint16Array(buffer);
  if (dtype === 'int32') return new Int32Array(buffer);
  if (dtype === 'int64') return new BigInt64Array(buffer);
  return new Uint8Array(buffer);
}

function typedNumbers(dtype: DType, numbers: readonly number[]): TypedArray {
  if (dtype === 'float32') return Float32Array.from(numbers);
  if (dtype === 'float16') return Uint16Array.from(numbers);
  if (dtype === 'int32') return Int32Array.from(numbers);
  if (dtype === 'int64') return BigInt64Array.from(numbers, (n) => BigInt(n));
  return Uint8Array.from(numbers);
}
