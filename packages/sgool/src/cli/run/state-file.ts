/**
 * @file Plain data in a file: one safetensors file, whose tensors are the typed arrays of the data, and whose metadata hold the rest as JSON
 * and a checksum of everything.
 */
import { createHash } from 'node:crypto';
import { UserError } from '../../errors.ts';
import { parseJson } from '../../platform/json.ts';
import { encodeTensor } from '../../weights/formats/dtypes.ts';
import { openSafetensors, readAll } from '../../weights/formats/safetensors.ts';
import { type TensorToWrite, writeSafetensors } from '../../weights/formats/write-safetensors.ts';

const FORMAT = 'sgool state 1';

/** Typed arrays that a state may hold, with their types in the file. */
const ARRAYS = [
  ['F64', Float64Array],
  ['F32', Float32Array],
  ['U32', Uint32Array],
  ['U8', Uint8Array],
] as const;

/** JSON has no place for these: they are written as an object with one of these keys. */
const TENSOR = '$tensor';
const NUMBER = '$number';
const BIGINT = '$bigint';

type Tensors = Record<string, TensorToWrite>;

/**
 * Writes data whole or not at all: texts, numbers (also those that are not finite), bigints, lists, plain objects, and typed arrays of float64,
 * float32, uint32 and uint8.
 *
 * @param isFlushed whether it is flushed to the disk
 * @throws UserError where the file system refuses
 */
export async function writeStateFile(path: string, data: unknown, isFlushed = true): Promise<void> {
  const tensors: Tensors = {};
  const content = JSON.stringify(encode(data, 'state', tensors));
  const checksum = checksumOf(content, tensors);
  await writeSafetensors(path, tensors, { format: FORMAT, content, checksum }, isFlushed);
}

/**
 * Reads what {@link writeStateFile} wrote.
 *
 * @throws UserError where it cannot be read, or is not what was written
 */
export async function readStateFile(path: string): Promise<unknown> {
  const file = await openSafetensors(path);
  const { format, content = '', checksum } = file.metadata;
  if (format !== FORMAT) throw new UserError(`${path}: is no state of a run, got the format ${format}`);
  const tensors: Tensors = Object.fromEntries(await readAll(file));
  if (checksumOf(content, tensors) !== checksum) {
    throw new UserError(`${path}: is damaged, its checksum is not that of its content`);
  }
  return decode(parseJson(content, path), tensors);
}

function checksumOf(content: string, tensors: Tensors): string {
  const hash = createHash('sha256').update(content);
  for (const name of Object.keys(tensors).sort()) {
    const { dtype, data } = tensors[name];
    hash.update(`${name} ${dtype}`).update(encodeTensor(dtype, data));
  }
  return hash.digest('hex');
}

function encode(value: unknown, name: string, tensors: Tensors): unknown {
  for (const [dtype, Type] of ARRAYS) {
    if (!(value instanceof Type)) continue;
    tensors[name] = { dtype, shape: [value.length], data: value };
    return { [TENSOR]: name };
  }
  if (typeof value === 'number') {
    return Number.isFinite(value) && !Object.is(value, -0)
      ? value
      : { [NUMBER]: Object.is(value, -0) ? '-0' : String(value) };
  }
  if (typeof value === 'bigint') return { [BIGINT]: String(value) };
  if (Array.isArray(value)) return value.map((one, i) => encode(one, `${name}.${i}`, tensors));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, encode(one, `${name}.${key}`, tensors)]),
  );
}

function decode(value: unknown, tensors: Tensors): unknown {
  if (Array.isArray(value)) return value.map((one) => decode(one, tensors));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const [[key, content] = []] = entries;
  if (key === TENSOR) return tensors[content].data;
  if (key === NUMBER) return Number(content);
  if (key === BIGINT) return BigInt(content);
  return Object.fromEntries(entries.map(([name, one]) => [name, decode(one, tensors)]));
}
