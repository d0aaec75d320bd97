/**
 * @file Writes a graph as an ONNX model. Field numbers are those of onnx.proto3; only fields that ONNX Runtime reads are
 * written. Constants in files become external data: location, offset, length.
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { ONNX_DTYPE } from '../graph/dtype.ts';
import type { Attribute, ConstantSource, Node, Tensor } from '../graph/trace.ts';
import { lateConstants, NONE_LATE, reshapedConstants } from '../passes/late-casts.ts';
import type { NodeGraph } from '../passes/target.ts';

const IR_VERSION = 9;
const OPSET = 20;

/** Maps the path of a file with constants to the location that is written into the model. */
export type LocationOf = (path: string) => string;

export interface EncodedModel {
  readonly bytes: Uint8Array;
  /** Number of ONNX nodes. */
  readonly nodeCount: number;
  /** Whether constants are cast at each use; equal casts must then not be merged. */
  readonly castsAtRunTime: boolean;
}

/**
 * Writes a program as an ONNX model. Inputs and outputs keep their names; inner values are numbered.
 *
 * @param options.lean leaves large constants of half precision as they are: they are cast to float32 at run time, once for
 *   each use
 */
export function encodeModel(
  graph: NodeGraph,
  locationOf: LocationOf,
  { lean = false }: { lean?: boolean } = {},
): EncodedModel {
  const { nodes: live } = graph;
  const used = new Set<Tensor>(live.flatMap((node) => node.inputs.filter((t): t is Tensor => t !== null)));
  const inputName = new Map<Tensor, string>([...graph.inputs].map(([name, t]) => [t, `in:${name}`]));
  const nameOf = (t: Tensor) => inputName.get(t) ?? `t${t.id}`;
  const late = lean ? lateConstants(graph) : NONE_LATE;

  const copies = new BinaryWriter();
  const body = new BinaryWriter();
  let nodeCount = 0;
  const write = (to: BinaryWriter, node: Node, inputs: readonly string[], outputs: readonly string[]) => {
    message(to, 1, (w) => writeNode(w, node, inputs, outputs));
    nodeCount++;
  };
  const copied = new Set<string>();
  /** Writes the nodes that compute `t` for one use of it, and returns the name of the result. */
  const copyOf = (t: Tensor, use: string): string => {
    const node = late.nodes.get(t);
    if (!node) return nameOf(t);
    const name = nameOf(t) + use;
    if (copied.has(name)) return name;
    const inputs = node.inputs.map((each) => (each ? copyOf(each, use) : ''));
    const outputs = node.outputs.map((each) => nameOf(each) + use);
    write(copies, node, inputs, outputs);
    for (const output of outputs) copied.add(output);
    return name;
  };
  live.forEach((node, i) => {
    if (node.outputs.some((t) => late.nodes.has(t))) return;
    const inputs = node.inputs.map((t, k) => (t ? copyOf(t, `:${i}.${k}`) : ''));
    write(body, node, inputs, node.outputs.map(nameOf));
  });
  // Outputs have names of their own, so that one tensor can be two outputs, or an input an output.
  for (const [name, t] of graph.outputs) {
    used.add(t);
    const source = copyOf(t, `:${name}`);
    message(body, 1, (w) => {
      w.tag(1, WireType.LengthDelimited).string(source);
      w.tag(2, WireType.LengthDelimited).string(`out:${name}`);
      w.tag(4, WireType.LengthDelimited).string('Identity');
    });
  }
  body.tag(2, WireType.LengthDelimited).string('sgool');
  for (const [t, source] of graph.trace.constants) {
    if (used.has(t)) message(body, 5, (w) => writeConstant(w, nameOf(t), source, locationOf));
  }
  for (const [name, t] of graph.inputs) message(body, 11, (w) => writeValueInfo(w, `in:${name}`, t));
  // A constant that is also declared as an input could be replaced, so ONNX Runtime does not fold it.
  for (const t of new Set([...late.casts, ...(lean ? reshapedConstants(graph) : [])]))
    message(body, 11, (w) => writeValueInfo(w, nameOf(t), t));
  for (const [name, t] of graph.outputs) message(body, 12, (w) => writeValueInfo(w, `out:${name}`, t));

  const model = new BinaryWriter();
  model.tag(1, WireType.Varint).int64(IR_VERSION);
  model.tag(2, WireType.LengthDelimited).string('sgool');
  // ONNX Runtime visits the operands of a node in descending order of their place in the file. So what comes first in the file
  // is computed last, right before it is used.
  model.tag(7, WireType.LengthDelimited).bytes(copies.raw(body.finish()).finish());
  for (const [domain, version] of [
    ['', OPSET],
    ['com.microsoft', 1],
  ] as const) {
    message(model, 8, (w) => {
      w.tag(1, WireType.LengthDelimited).string(domain);
      w.tag(2, WireType.Varint).int64(version);
    });
  }
  return { bytes: model.finish(), nodeCount, castsAtRunTime: late.casts.size > 0 };
}

function message(writer: BinaryWriter, field: number, write: (inner: BinaryWriter) => void): void {
  const inner = new BinaryWriter();
  write(inner);
  writer.tag(field, WireType.LengthDelimited).bytes(inner.finish());
}

function writeNode(w: BinaryWriter, node: Node, inputs: readonly string[], outputs: readonly string[]): void {
  for (const name of inputs) w.tag(1, WireType.LengthDelimited).string(name);
  for (const name of outputs) w.tag(2, WireType.LengthDelimited).string(name);
  w.tag(4, WireType.LengthDelimited).string(node.op);
  for (const [name, value] of Object.entries(node.attributes)) {
    message(w, 5, (inner) => writeAttribute(inner, name, value));
  }
  if (node.domain) w.tag(7, WireType.LengthDelimited).string(node.domain);
}

const FLOAT = 1;
const INT = 2;
const STRING = 3;
const INTS = 7;

function writeAttribute(w: BinaryWriter, name: string, value: Attribute): void {
  w.tag(1, WireType.LengthDelimited).string(name);
  let type: number;
  if (typeof value === 'number') {
    w.tag(3, WireType.Varint).int64(value);
    type = INT;
  } else if (typeof value === 'string') {
    w.tag(4, WireType.LengthDelimited).string(value);
    type = STRING;
  } else if ('float' in value) {
    w.tag(2, WireType.Bit32).float(value.float);
    type = FLOAT;
  } else {
    for (const item of value) w.tag(8, WireType.Varint).int64(item);
    type = INTS;
  }
  w.tag(20, WireType.Varint).int32(type);
}

function writeConstant(w: BinaryWriter, name: string, source: ConstantSource, locationOf: LocationOf): void {
  for (const length of source.shape) w.tag(1, WireType.Varint).int64(length);
  w.tag(2, WireType.Varint).int32(ONNX_DTYPE[source.dtype]);
  w.tag(8, WireType.LengthDelimited).string(name);
  if ('data' in source) {
    const { buffer, byteOffset, byteLength } = source.data;
    w.tag(9, WireType.LengthDelimited).bytes(new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength));
    return;
  }
  const { path, byteOffset, byteLength } = source.file;
  for (const [key, value] of [
    ['location', locationOf(path)],
    ['offset', String(byteOffset)],
    ['length', String(byteLength)],
  ] as const) {
    message(w, 13, (entry) => {
      entry.tag(1, WireType.LengthDelimited).string(key);
      entry.tag(2, WireType.LengthDelimited).string(value);
    });
  }
  w.tag(14, WireType.Varint).int32(1);
}

function writeValueInfo(w: BinaryWriter, name: string, t: Tensor): void {
  w.tag(1, WireType.LengthDelimited).string(name);
  message(w, 2, (type) => {
    message(type, 1, (tensor) => {
      tensor.tag(1, WireType.Varint).int32(ONNX_DTYPE[t.dtype]);
      message(tensor, 2, (shape) => {
        for (const length of t.shape) {
          message(shape, 1, (dimension) => dimension.tag(1, WireType.Varint).int64(length));
        }
      });
    });
  });
}
