/** Element types of tensors, and what holds them in JavaScript. */
export type DType = 'float32' | 'float16' | 'bfloat16' | 'int32' | 'int64' | 'bool';

/**
 * float16 travels as raw bits in a Uint16Array, because Node 20 has no Float16Array. So does bfloat16, which is only for
 * constants that are cast before they are computed with.
 */
export type TypedArray = Float32Array | Uint16Array | Int32Array | BigInt64Array | Uint8Array;

/** The numbers that ONNX gives to element types (TensorProto.DataType). */
export const ONNX_DTYPE: Record<DType, number> = {
  float32: 1,
  float16: 10,
  bfloat16: 16,
  int32: 6,
  int64: 7,
  bool: 9,
};

export const BYTES_PER_ELEMENT: Record<DType, number> = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int32: 4,
  int64: 8,
  bool: 1,
};

/** Allocates a zeroed array that can hold `length` elements of `dtype`. */
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
      return new Uint8Array(length);
  }
}

/**
 * Elements of the largest constant of half precision that becomes a float32 copy in memory when a program is compiled with
 * layout `lean`. Larger ones, which are nearly all of a network's weights, are cast anew at each use.
 */
export const LARGEST_FOLDED = 2 ** 19;
