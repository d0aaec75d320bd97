/**
 * @file GGUF files, as stable-diffusion.cpp and ComfyUI-GGUF write them. Plain floats stay in the file; quantised tensors become
 * float32 when they are loaded.
 *
 * Reference: ggml-org/ggml, docs/gguf.md
 */
import { files } from '#platform';
import { UserError } from '../../errors.ts';
import { product } from '../../numbers.ts';
import type { FileBytes } from '../../platform/platform.ts';
import { DTYPE_BYTES, type Dtype } from './dtypes.ts';
import { BLOCK_TYPES, decodeBlocks } from './gguf-blocks.ts';
import type { TensorFile, WeightTensor } from './weight-source.ts';

/** Largest header that is read. Files with the vocabulary of a language model have some 10 MB. */
const MAX_HEADER_BYTES = 64e6;
const MAX_TENSORS = 100_000;
const MAX_KEYS = 100_000;
const MAX_DEPTH = 4;

/** Types without blocks, by their number. */
const PLAIN: Readonly<Record<number, Dtype>> = {
  0: 'F32',
  1: 'F16',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  30: 'BF16',
};

/** Types that are not read, for messages. With the two tables of types that are read, all that the format has. */
const OTHERS: Readonly<Record<number, string>> = {
  9: 'Q8_1',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  21: 'IQ3_S',
  22: 'IQ2_S',
  29: 'IQ1_M',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
  40: 'NVFP4',
  41: 'Q1_0',
};

/** Whether the first bytes are those of a GGUF file. */
export function looksLikeGguf([g, g2, u, f]: Uint8Array): boolean {
  return g === 0x47 && g2 === 0x47 && u === 0x55 && f === 0x46;
}

/** The bytes read so far are not enough. */
class MoreBytes extends Error {}

/** A name of the file, short and without control characters. */
function quoted(name: string): string {
  const text = JSON.stringify(name);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function fail(path: string, what: string): never {
  throw new UserError(`${path}: not a valid GGUF file: ${what}`);
}

/** Reads numbers and texts one after the other. */
class Cursor {
  at = 0;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly path: string;

  constructor(bytes: Uint8Array, path: string) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.path = path;
  }

  private take(length: number): number {
    const { at } = this;
    if (at + length > this.bytes.length) throw new MoreBytes();
    this.at += length;
    return at;
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  /** A 64-bit count or offset. */
  size(what: string): number {
    const value = this.view.getBigUint64(this.take(8), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) fail(this.path, `${what} of ${value}`);
    return Number(value);
  }

  text(): string {
    const length = this.size('a text');
    if (length > MAX_HEADER_BYTES) fail(this.path, `a text of ${length} bytes`);
    const at = this.take(length);
    return new TextDecoder().decode(this.bytes.subarray(at, at + length));
  }

  /** A value of metadata; numbers of 64 bits lose precision, which nothing here needs. */
  value(type: number, depth = 0): unknown {
    const { view } = this;
    switch (type) {
      case 0:
        return view.getUint8(this.take(1));
      case 1:
        return view.getInt8(this.take(1));
      case 2:
        return view.getUint16(this.take(2), true);
      case 3:
        return view.getInt16(this.take(2), true);
      case 4:
        return this.u32();
      case 5:
        return view.getInt32(this.take(4), true);
      case 6:
        return view.getFloat32(this.take(4), true);
      case 7:
        return view.getUint8(this.take(1)) !== 0;
      case 8:
        return this.text();
      case 9:
        return this.list(depth);
      case 10:
        return Number(view.getBigUint64(this.take(8), true));
      case 11:
        return Number(view.getBigInt64(this.take(8), true));
      case 12:
        return view.getFloat64(this.take(8), true);
      default:
        fail(this.path, `metadata of the unknown type ${type}`);
    }
  }

  private list(depth: number): unknown[] {
    const type = this.u32();
    const count = this.size('a list');
    if (depth >= MAX_DEPTH || count > MAX_HEADER_BYTES) fail(this.path, `a list of ${count} items`);
    const items: unknown[] = [];
    for (let i = 0; i < count; i++) items.push(this.value(type, depth + 1));
    return items;
  }
}

interface TensorInfo {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: number;
  readonly offset: number;
}

interface Header {
  readonly keys: ReadonlyMap<string, unknown>;
  readonly infos: readonly TensorInfo[];
  readonly length: number;
}

function parseHeader(bytes: Uint8Array, path: string): Header {
  const cursor = new Cursor(bytes, path);
  cursor.u32();
  const version = cursor.u32();
  if (version !== 2 && version !== 3) {
    fail(path, version > 0xffff ? 'it is not little-endian' : `version ${version}; 2 and 3 are read`);
  }
  const tensorCount = cursor.size('tensors');
  const keyCount = cursor.size('keys');
  if (tensorCount > MAX_TENSORS) fail(path, `${tensorCount} tensors, the limit is ${MAX_TENSORS}`);
  if (keyCount > MAX_KEYS) fail(path, `${keyCount} keys, the limit is ${MAX_KEYS}`);
  const keys = new Map<string, unknown>();
  for (let i = 0; i < keyCount; i++) {
    const key = cursor.text();
    keys.set(key, cursor.value(cursor.u32()));
  }
  const infos: TensorInfo[] = [];
  for (let i = 0; i < tensorCount; i++) {
    const name = cursor.text();
    const rank = cursor.u32();
    if (rank > 8) fail(path, `tensor ${quoted(name)} has ${rank} dimensions`);
    // The fastest axis comes first.
    const shape = Array.from({ length: rank }, () => cursor.size('a dimension')).reverse();
    infos.push({ name, shape, type: cursor.u32(), offset: cursor.size('an offset') });
  }
  return { keys, infos, length: cursor.at };
}

async function readHeader(file: FileBytes): Promise<Header> {
  for (let length = 1e6; ; length *= 4) {
    const bytes = await file.read(0, Math.min(length, file.size));
    try {
      return parseHeader(bytes, file.path);
    } catch (error) {
      if (!(error instanceof MoreBytes)) throw error;
      if (length >= file.size) fail(file.path, 'it ends inside its header; is it truncated?');
      if (length >= MAX_HEADER_BYTES) fail(file.path, `a header of more than ${MAX_HEADER_BYTES} bytes`);
    }
  }
}

/** ComfyUI-GGUF stores the shape of a tensor that it had to flatten. */
function shapeOf({ name, shape }: TensorInfo, keys: ReadonlyMap<string, unknown>): readonly number[] {
  const stated = keys.get(`comfy.gguf.orig_shape.${name}`);
  const isShape =
    Array.isArray(stated) &&
    stated.every((size) => Number.isSafeInteger(size) && size >= 0) &&
    product(stated) === product(shape);
  return isShape ? (stated as number[]) : shape;
}

/** Reads the names and places of tensors in a GGUF file that is open. @throws UserError when it is broken */
export async function readGguf(file: FileBytes): Promise<TensorFile> {
  const { keys, infos, length } = await readHeader(file);
  const alignment = keys.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || !(alignment >= 1) || alignment > 65536) {
    fail(file.path, `an alignment of ${String(alignment)}`);
  }
  const start = Math.ceil(length / alignment) * alignment;
  const tensors = new Map<string, WeightTensor>();
  for (const info of infos) {
    const who = `tensor ${quoted(info.name)}`;
    if (tensors.has(info.name)) fail(file.path, `two tensors are called ${quoted(info.name)}`);
    const elements = info.shape.reduce((all, size) => all * BigInt(size), 1n);
    const plain = PLAIN[info.type];
    const block = BLOCK_TYPES[info.type];
    if (plain === undefined && block === undefined) {
      throw new UserError(
        `${file.path}: ${who} has the type ${OTHERS[info.type] ?? info.type}, which is not read; F16, Q8_0, Q4_0 to Q5_1, Q2_K to Q6_K, IQ4_NL and IQ4_XS are`,
      );
    }
    if (block !== undefined && Number(info.shape.at(-1) ?? 1) % block.weights !== 0) {
      fail(file.path, `${who} has rows of ${info.shape.at(-1)}, which ${block.name} cannot hold`);
    }
    const bytes =
      block === undefined
        ? elements * BigInt(DTYPE_BYTES[plain])
        : (elements / BigInt(block.weights)) * BigInt(block.bytes);
    const byteOffset = start + info.offset;
    if (BigInt(byteOffset) + bytes > BigInt(file.size)) {
      fail(file.path, `${who} goes beyond the end of the file (${file.size} bytes); is it truncated?`);
    }
    const shape = shapeOf(info, keys);
    const byteLength = Number(bytes);
    const path = file.realPath;
    tensors.set(
      info.name,
      block === undefined
        ? { dtype: plain, shape, path, byteOffset, byteLength }
        : {
            dtype: 'F32',
            shape,
            path,
            byteLength: product(shape) * 4,
            compute: () => decodeBlocks(block, files.readRangeSync(path, byteOffset, byteLength)),
          },
    );
  }
  const metadata = Object.fromEntries(
    [...keys].flatMap(([key, value]) =>
      typeof value === 'string' || typeof value === 'number' ? [[key, String(value).slice(0, 200)]] : [],
    ),
  );
  return { path: file.realPath, tensors, metadata: { ...metadata, format: 'gguf' } };
}
