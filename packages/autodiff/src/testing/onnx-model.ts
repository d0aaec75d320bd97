/** @file For tests: ONNX models written by hand. */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

/** A tensor of a model, float32 or int64. */
export interface WrittenTensor {
  readonly name?: string;
  readonly shape: readonly number[];
  /** Number of the element type in onnx.TensorProto. Default int64 (7). */
  readonly type?: number;
  /** Whole numbers; left out with `external`. */
  readonly numbers?: readonly number[];
  /** Where the numbers lie beside the model: location, offset, length. */
  readonly external?: Readonly<Record<string, string>>;
}

export interface WrittenNode {
  readonly op: string;
  readonly name?: string;
  readonly domain?: string;
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
  readonly ints?: Readonly<Record<string, readonly number[]>>;
  readonly int?: Readonly<Record<string, number>>;
  readonly text?: Readonly<Record<string, string>>;
  readonly tensors?: Readonly<Record<string, WrittenTensor>>;
}

export interface WrittenModel {
  /** Nodes without outputs are a chain: `t0`, `t1`, ... and last `y`. */
  readonly nodes: readonly WrittenNode[];
  readonly initializers?: readonly WrittenTensor[];
  /** Names of the inputs. Default `x`. */
  readonly inputs?: readonly string[];
  /** Names of the outputs. Default `y`. */
  readonly outputs?: readonly string[];
  /** Of inputs and outputs. */
  readonly shape?: readonly (number | string)[];
  readonly type?: number;
  readonly opset?: number;
}

function message(w: BinaryWriter, field: number, write: (inner: BinaryWriter) => void): void {
  const inner = new BinaryWriter();
  write(inner);
  w.tag(field, WireType.LengthDelimited).bytes(inner.finish());
}

function text(w: BinaryWriter, field: number, value: string): void {
  w.tag(field, WireType.LengthDelimited).string(value);
}

function writeTensor(
  w: BinaryWriter,
  { name = '', shape, type = 7, numbers = [], external }: WrittenTensor,
): void {
  for (const length of shape) w.tag(1, WireType.Varint).int64(length);
  w.tag(2, WireType.Varint).int32(type);
  for (const n of numbers) {
    if (type === 1) w.tag(4, WireType.Bit32).float(n);
    else w.tag(7, WireType.Varint).int64(n);
  }
  text(w, 8, name);
  for (const [key, value] of Object.entries(external ?? {})) {
    message(w, 13, (entry) => {
      text(entry, 1, key);
      text(entry, 2, value);
    });
  }
  if (external) w.tag(14, WireType.Varint).int32(1);
}

function attribute(w: BinaryWriter, name: string, type: number, write: (inner: BinaryWriter) => void): void {
  message(w, 5, (inner) => {
    text(inner, 1, name);
    write(inner);
    inner.tag(20, WireType.Varint).int32(type);
  });
}

/** Writes a model. */
export function writeModel(written: WrittenModel): Uint8Array<ArrayBuffer> {
  const {
    nodes,
    initializers = [],
    inputs = ['x'],
    outputs = ['y'],
    shape = [1, 2, 4, 4],
    type = 1,
  } = written;
  const value = (w: BinaryWriter, name: string) => {
    text(w, 1, name);
    message(w, 2, (t) =>
      message(t, 1, (tensor) => {
        tensor.tag(1, WireType.Varint).int32(type);
        message(tensor, 2, (dims) => {
          for (const length of shape) {
            message(dims, 1, (d) => {
              if (typeof length === 'string') text(d, 2, length);
              else d.tag(1, WireType.Varint).int64(length);
            });
          }
        });
      }),
    );
  };
  const model = new BinaryWriter();
  message(model, 7, (graph) => {
    nodes.forEach((each, i) => {
      const { op, name = `node ${i}`, domain = '', ints = {}, int = {}, tensors = {} } = each;
      message(graph, 1, (node) => {
        for (const input of each.inputs ?? []) text(node, 1, input);
        for (const output of each.outputs ?? [i === nodes.length - 1 ? 'y' : `t${i}`]) text(node, 2, output);
        text(node, 3, name);
        text(node, 4, op);
        text(node, 7, domain);
        for (const [key, list] of Object.entries(ints)) {
          attribute(node, key, 7, (w) => {
            for (const n of list) w.tag(8, WireType.Varint).int64(n);
          });
        }
        for (const [key, n] of Object.entries(int)) {
          attribute(node, key, 2, (w) => w.tag(3, WireType.Varint).int64(n));
        }
        for (const [key, words] of Object.entries(each.text ?? {})) {
          attribute(node, key, 3, (w) => text(w, 4, words));
        }
        for (const [key, tensor] of Object.entries(tensors)) {
          attribute(node, key, 4, (w) => message(w, 5, (t) => writeTensor(t, tensor)));
        }
      });
    });
    for (const tensor of initializers) message(graph, 5, (w) => writeTensor(w, tensor));
    for (const name of inputs) message(graph, 11, (w) => value(w, name));
    for (const name of outputs) message(graph, 12, (w) => value(w, name));
  });
  message(model, 8, (opset) => opset.tag(2, WireType.Varint).int64(written.opset ?? 17));
  return new Uint8Array(model.finish());
}
