/** @file Reading and writing safetensors files. Only what is asked for is read. */

import { UserError } from '../../errors.ts';
import { replaceFile } from '../sources/atomic-file.ts';
import { type FileBytes, withFile } from '../sources/file-bytes.ts';
import { DTYPE_BYTES, type Dtype, decodeTensor, encodeTensor, isFloat, type TensorData } from './dtypes.ts';
import { headerLength, parseSafetensorsHeader, type SafetensorsHeader } from './safetensors-header.ts';

/** An opened file: its checked header. No file handle is kept. */
export interface SafetensorsFile extends SafetensorsHeader {
  /** Real path: symbolic links, as in a Hub snapshot, are resolved, because ONNX Runtime refuses them. */
  path: string;
}

/** A tensor in memory. */
export interface Tensor {
  /** Type in the file; F16 and BF16 come as float32 values. */
  dtype: Dtype;
  shape: readonly number[];
  data: TensorData;
}

/** A tensor to be written: F16 and BF16 take float32 values, any other type its own typed array. */
export interface TensorToWrite {
  dtype: Dtype;
  shape: readonly number[];
  data: TensorData;
}

/** Reads and checks the header of a file that is open. See {@link openSafetensors}. */
export async function readSafetensors(file: FileBytes): Promise<SafetensorsFile> {
  const length = headerLength(await file.read(0, Math.min(8, file.size)), file.size, file.path);
  const json = await file.read(8, length);
  return { path: file.realPath, ...parseSafetensorsHeader(json, file.size, file.path) };
}

/**
 * Opens a safetensors file: reads and checks its header, nothing else.
 *
 * @throws UserError with one line when the file is missing, truncated, broken or hostile
 */
export function openSafetensors(path: string): Promise<SafetensorsFile> {
  return withFile(path, readSafetensors);
}

/** Where a tensor lies; a wrong name is told with the names that come closest. */
function entryOf(file: SafetensorsFile, name: string) {
  const entry = file.tensors.get(name);
  if (entry !== undefined) return entry;
  const last = name.split('.').at(-1)!;
  const similar = [...file.tensors.keys()].filter((other) => other.endsWith(last)).slice(0, 3);
  const hint = similar.length > 0 ? `, such as ${similar.join(', ')}` : '';
  throw new UserError(`${file.path}: no tensor ${name}; it holds ${file.tensors.size} tensors${hint}`);
}

async function readFrom(bytes: FileBytes, file: SafetensorsFile, name: string): Promise<Tensor> {
  const { dtype, shape, byteOffset, byteLength } = entryOf(file, name);
  return { dtype, shape, data: decodeTensor(dtype, (await bytes.read(byteOffset, byteLength)).buffer) };
}

/**
 * Reads one tensor in its own type: F32, F16 and BF16 give a Float32Array, F64 a Float64Array, I64 a BigInt64Array,
 * I32 an Int32Array, U8 and BOOL a Uint8Array, and so on.
 *
 * @throws UserError when there is no such tensor or the file cannot be read
 */
export async function readTypedTensor(file: SafetensorsFile, name: string): Promise<Tensor> {
  return withFile(file.path, (bytes) => readFrom(bytes, file, name));
}

/**
 * Reads one tensor of floating-point type (F32, F16, BF16, F64) as float32.
 *
 * @throws UserError when there is no such tensor, it holds whole numbers, or the file cannot be read
 */
export async function readTensor(file: SafetensorsFile, name: string): Promise<Float32Array> {
  const { dtype } = entryOf(file, name);
  if (!isFloat(dtype)) {
    throw new UserError(`${file.path}: tensor ${name} must be F32, F16, BF16 or F64, got ${dtype}`);
  }
  const { data } = await readTypedTensor(file, name);
  return data instanceof Float32Array ? data : Float32Array.from(data as Float64Array);
}

/** Reads every tensor, each in its own type, in the order of the file. */
export async function readAll(file: SafetensorsFile): Promise<Map<string, Tensor>> {
  return withFile(file.path, async (bytes) => {
    const tensors = new Map<string, Tensor>();
    for (const name of file.tensors.keys()) tensors.set(name, await readFrom(bytes, file, name));
    return tensors;
  });
}

const DTYPE_ORDER = Object.keys(DTYPE_BYTES);

/** The order of the reference implementation: widest elements first, which keeps all of them aligned, then by name. */
function inFileOrder(tensors: Record<string, TensorToWrite>): [string, TensorToWrite][] {
  return Object.entries(tensors).sort(
    ([a, { dtype: x }], [b, { dtype: y }]) =>
      DTYPE_ORDER.indexOf(x) - DTYPE_ORDER.indexOf(y) || (a < b ? -1 : 1),
  );
}

/**
 * Writes a safetensors file whole or not at all (temporary name, flush, rename).
 *
 * @param tensors by name; `data.length` must be the product of `shape`
 * @param metadata free text pairs, for instance `{ format: 'pt' }`, which transformers and diffusers look for
 * @throws UserError when the file system refuses (full disk, missing or unwritable folder)
 */
export async function writeSafetensors(
  path: string,
  tensors: Record<string, TensorToWrite>,
  metadata?: Record<string, string>,
): Promise<void> {
  const ordered = inFileOrder(tensors);
  const header: Record<string, unknown> = {};
  if (metadata !== undefined) {
    header.__metadata__ = Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)));
  }
  let offset = 0;
  for (const [name, { dtype, shape, data }] of ordered) {
    const elements = shape.reduce((product, size) => product * size, 1);
    if (name === '__metadata__') throw new Error('writeSafetensors: __metadata__ is no name for a tensor');
    if (data.length !== elements) {
      throw new Error(`writeSafetensors: ${name} [${shape}] needs ${elements} values, got ${data.length}`);
    }
    const end = offset + elements * DTYPE_BYTES[dtype];
    header[name] = { dtype, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  padded.writeBigUInt64LE(BigInt(padded.length - 8));
  json.copy(padded, 8);

  await replaceFile(path, async (file) => {
    await file.writeFile(padded);
    for (const [, { dtype, data }] of ordered) await file.writeFile(encodeTensor(dtype, data));
  });
}
