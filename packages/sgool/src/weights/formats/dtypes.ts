/** @file The element types of a safetensors file, and their typed arrays in JavaScript. */

import { decodeFloat8 } from './float8.ts';
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from './float16.ts';

/** Bytes of one element, in the order in which the reference implementation arranges types in a file. */
export const DTYPE_BYTES = {
  U64: 8,
  I64: 8,
  F64: 8,
  F32: 4,
  U32: 4,
  I32: 4,
  BF16: 2,
  F16: 2,
  U16: 2,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
} as const;

/**
 * Element type of a stored tensor, as safetensors spells it.
 *
 * @useDeclaredType
 */
export type Dtype = keyof typeof DTYPE_BYTES;

/** Values of a tensor in memory. float16, bfloat16 and 8-bit floats appear as float32. */
export type TensorData =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

const NATIVE_ARRAYS = {
  F64: Float64Array,
  F32: Float32Array,
  I64: BigInt64Array,
  I32: Int32Array,
  I16: Int16Array,
  I8: Int8Array,
  U64: BigUint64Array,
  U32: Uint32Array,
  U16: Uint16Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const;

/** Whether a value is the name of an element type. */
export function isDtype(name: unknown): name is Dtype {
  return typeof name === 'string' && Object.hasOwn(DTYPE_BYTES, name);
}

/** Whether it is a floating-point type, whose values `readTensor` gives as float32. */
export function isFloat(dtype: Dtype): boolean {
  return dtype === 'F32' || dtype === 'F64' || isNarrow(dtype);
}

/** Whether it is a floating-point type of which JavaScript has no array, so that its values come as float32. */
export function isNarrow(dtype: Dtype): dtype is NarrowDtype {
  return dtype === 'F16' || dtype === 'BF16' || dtype === 'F8_E4M3' || dtype === 'F8_E5M2';
}

type NarrowDtype = 'F16' | 'BF16' | 'F8_E4M3' | 'F8_E5M2';

/** Decodes stored bytes exactly. Little-endian, like every machine that Node runs on. */
export function decodeTensor(dtype: Dtype, bytes: ArrayBuffer): TensorData {
  if (dtype === 'F16') return decodeFloat16(new Uint16Array(bytes));
  if (dtype === 'BF16') return decodeBfloat16(new Uint16Array(bytes));
  if (dtype === 'F8_E4M3' || dtype === 'F8_E5M2') return decodeFloat8(dtype, new Uint8Array(bytes));
  return new NATIVE_ARRAYS[dtype](bytes);
}

/**
 * Encodes values as bytes. float32 values become F16 or BF16 by rounding to nearest even; any other type needs its own typed
 * array.
 *
 * @throws TypeError when the array does not fit the type
 */
export function encodeTensor(dtype: Dtype, data: TensorData): Uint8Array {
  let stored: TensorData;
  if (dtype === 'F16' && data instanceof Float32Array) stored = encodeFloat16(data);
  else if (dtype === 'BF16' && data instanceof Float32Array) stored = encodeBfloat16(data);
  else if (!isNarrow(dtype) && data instanceof NATIVE_ARRAYS[dtype]) stored = data;
  else if (dtype === 'F8_E4M3' || dtype === 'F8_E5M2') {
    throw new TypeError(`encodeTensor: ${dtype} is read only; write F16, which holds all its values`);
  } else {
    const wanted = isNarrow(dtype) ? 'Float32Array' : NATIVE_ARRAYS[dtype].name;
    throw new TypeError(`encodeTensor: ${dtype} needs a ${wanted}, got ${data.constructor.name}`);
  }
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
}
