/** @file Reading safetensors files. Only what is needed is read. */

import { files } from '#platform';
import { UserError } from '../../errors.ts';
import type { FileBytes } from '../../platform/platform.ts';
import { type Dtype, decodeTensor, isFloat, type TensorData } from './dtypes.ts';
import { LEFTOVER_BYTES, refuseLeftover } from './leftovers.ts';
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

/** Reads and checks the header of a file that is open. See {@link openSafetensors}. */
export async function readSafetensors(file: FileBytes): Promise<SafetensorsFile> {
  const first = await file.read(0, Math.min(LEFTOVER_BYTES, file.size));
  refuseLeftover(first, file.size, file.path);
  const length = headerLength(first, file.size, file.path);
  const json = await file.read(8, length);
  return { path: file.realPath, ...parseSafetensorsHeader(json, file.size, file.path) };
}

/**
 * Opens a safetensors file: reads and checks its header, nothing else.
 *
 * @throws UserError with one line when the file is missing, truncated, broken or hostile
 */
export function openSafetensors(path: string): Promise<SafetensorsFile> {
  return files.withFile(path, readSafetensors);
}

/** The entry of a tensor. @throws UserError that lists similar names when there is none */
function entryOf(file: SafetensorsFile, name: string) {
  const entry = file.tensors.get(name);
  if (entry !== undefined) return entry;
  const ending = name.slice(name.lastIndexOf('.') + 1);
  const similar = [...file.tensors.keys()].filter((other) => other.endsWith(ending)).slice(0, 3);
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
  return files.withFile(file.path, (bytes) => readFrom(bytes, file, name));
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
  return files.withFile(file.path, async (bytes) => {
    const tensors = new Map<string, Tensor>();
    for (const name of file.tensors.keys()) tensors.set(name, await readFrom(bytes, file, name));
    return tensors;
  });
}
