/** @file Element types of tensors, and the JavaScript arrays that hold them. */

/** Element type of a tensor. */
export type DType =
  | 'float32'
  | 'float16'
  | 'bfloat16'
  | 'float8e4m3fn'
  | 'float8e5m2'
  | 'int32'
  | 'int64'
  | 'bool';

/**
 * The array that holds a tensor: Float32Array for float32, Int32Array for int32, BigInt64Array for int64, Uint8Array for bool,
 * and Uint16Array with raw bits for float16, because Node 20 has no Float16Array. bfloat16 and the floats of 8 bits are raw bits too;
 * only constants can have them, and they are cast before use.
 */
export type TypedArray = Float32Array | Uint16Array | Int32Array | BigInt64Array | Uint8Array;

/** The numbers of element types in ONNX (TensorProto.DataType). */
export const ONNX_DTYPE: Record<DType, number> = {
  float32: 1,
  float16: 10,
  bfloat16: 16,
  float8e4m3fn: 17,
  float8e5m2: 19,
  int32: 6,
  int64: 7,
  bool: 9,
};

export const BYTES_PER_ELEMENT: Record<DType, number> = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  float8e4m3fn: 1,
  float8e5m2: 1,
  int32: 4,
  int64: 8,
  bool: 1,
};

/** Floats that only constants have: ONNX Runtime casts them, and computes little else with them. */
export const CONSTANT_FLOATS: readonly DType[] = ['bfloat16', 'float8e4m3fn', 'float8e5m2'];

/** Whether ONNX Runtime does nothing but cast it. */
export const isFloat8 = (dtype: DType): boolean => dtype === 'float8e4m3fn' || dtype === 'float8e5m2';

/** An array of zeros for `length` elements of `dtype`. */
export function allocate(dtype: DType, length: number): TypedArray {
  switch (dtype) {
    case 'float32':
      return new Float32Array(length);
    case 'float16':
    case 'bfloat16':
      return new Uint16Array(length);
    case 'int32':
      return new Int32Array(length);
    case 'int64':
      return new BigInt64Array(length);
    case 'bool':
    case 'float8e4m3fn':
    case 'float8e5m2':
      return new Uint8Array(length);
  }
}

/**
 * Elements of the largest constant of half precision that layout `lean` copies to float32 when a program is compiled. Larger
 * ones, nearly all weights of a network, are cast at each use.
 */
export const LARGEST_FOLDED = 2 ** 19;
