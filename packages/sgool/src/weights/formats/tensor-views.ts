/** @file Parts and rearrangements of tensors in files: byte ranges where possible, small copies otherwise. */

import { files } from '#platform';
import { UserError } from '../../errors.ts';
import { product, sum } from '../../numbers.ts';
import { DTYPE_BYTES, type Dtype, decodeTensor, isFloat, isNarrow, type TensorData } from './dtypes.ts';
import type { ComputedTensor, StoredTensor, WeightTensor } from './weight-source.ts';

/** Row-major steps between neighbours along each axis, in elements. */
export function contiguousStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step *= shape[axis];
  }
  return strides;
}

/** Reads a tensor into memory; float16 and bfloat16 come as float32. */
export function valuesOf(tensor: WeightTensor): TensorData {
  if ('compute' in tensor) return tensor.compute();
  return decodeTensor(
    tensor.dtype,
    files.readRangeSync(tensor.path, tensor.byteOffset, tensor.byteLength).buffer,
  );
}

/** Reads a tensor of floating-point type as float32. @throws UserError for whole numbers */
export function float32Of(tensor: WeightTensor): Float32Array {
  if (!isFloat(tensor.dtype)) {
    throw new UserError(
      `${tensor.path}: a weight of shape [${tensor.shape}] holds ${tensor.dtype}; it must be F32, F16, BF16 or F64`,
    );
  }
  const values = valuesOf(tensor);
  return values instanceof Float32Array ? values : Float32Array.from(values as Float64Array);
}

function dtypeInMemory(dtype: Dtype): Dtype {
  return isNarrow(dtype) ? 'F32' : dtype;
}

/** A tensor that `compute` derives from the values of another. */
export function computed(
  from: WeightTensor,
  shape: readonly number[],
  compute: () => TensorData,
): ComputedTensor {
  const dtype = dtypeInMemory(from.dtype);
  return { dtype, shape, path: from.path, byteLength: product(shape) * DTYPE_BYTES[dtype], compute };
}

/** The same values in float32. */
export function asFloat32(tensor: WeightTensor): WeightTensor {
  if (tensor.dtype === 'F32') return tensor;
  const { shape, path } = tensor;
  return { dtype: 'F32', shape, path, byteLength: product(shape) * 4, compute: () => float32Of(tensor) };
}

/** The same values in another shape. @throws UserError when the number of elements differs */
export function reshaped(tensor: WeightTensor, shape: readonly number[]): WeightTensor {
  if (product(shape) !== product(tensor.shape)) {
    throw new UserError(
      `${tensor.path}: a weight of shape [${tensor.shape}] cannot be reshaped to [${shape}]`,
    );
  }
  return { ...tensor, shape };
}

/** Without trailing axes of length 1, down to `rank`: a 1x1 convolution as a linear layer. */
export function squeezed(tensor: WeightTensor, rank: number): WeightTensor {
  let { shape } = tensor;
  while (shape.length > rank && shape.at(-1) === 1) shape = shape.slice(0, -1);
  return reshaped(tensor, shape);
}

/**
 * Some rows (entries along the first axis). In a file this is a range of bytes; nothing is copied.
 *
 * @throws UserError when the tensor has fewer rows
 */
export function rows(tensor: WeightTensor, from: number, count: number): WeightTensor {
  const [length = 0, ...rest] = tensor.shape;
  if (from + count > length) {
    throw new UserError(
      `${tensor.path}: rows ${from} to ${from + count} of a weight of shape [${tensor.shape}]`,
    );
  }
  const shape = [count, ...rest];
  const row = product(rest);
  if ('compute' in tensor && tensor.scaled) {
    const { base, scale } = tensor.scaled;
    const whole = rows(reshaped(base, tensor.shape), from, count);
    return scaledBy(whole, product(scale.shape) === 1 ? scale : rows(reshaped(scale, [length]), from, count));
  }
  if ('compute' in tensor) {
    return computed(tensor, shape, () => tensor.compute().slice(from * row, (from + count) * row));
  }
  const rowBytes = row * DTYPE_BYTES[tensor.dtype];
  return {
    ...tensor,
    shape,
    byteOffset: tensor.byteOffset + from * rowBytes,
    byteLength: count * rowBytes,
  };
}

/** A tensor times one number, or each of its rows times one of its own. */
export function scaledBy(base: WeightTensor, scale: WeightTensor): ComputedTensor {
  const { shape, path, byteLength } = base;
  const count = product(scale.shape);
  const compute = () => {
    const values = Float32Array.from(float32Of(base));
    const factors = float32Of(scale);
    const row = values.length / (shape[0] || 1);
    for (let i = 0; i < values.length; i++) values[i] *= factors[count === 1 ? 0 : Math.floor(i / row)];
    return values;
  };
  return { dtype: 'F32', shape, path, byteLength, compute, scaled: { base, scale } };
}

/** The transposed matrix; a copy in memory on demand. @throws UserError when it is not a matrix */
export function transposed(tensor: WeightTensor): ComputedTensor {
  const [height, width] = tensor.shape;
  if (tensor.shape.length !== 2) {
    throw new UserError(`${tensor.path}: a weight of shape [${tensor.shape}] where a matrix was expected`);
  }
  return computed(tensor, [width, height], () => gathered(valuesOf(tensor), [width, height], [1, width]));
}

/** Elements of `values` in row-major order of a view with these strides. */
function gathered<T extends TensorData>(values: T, shape: readonly number[], strides: readonly number[]): T {
  const out = values.slice(0, 0).constructor as new (length: number) => T;
  const result = new out(product(shape));
  const index = new Array<number>(shape.length).fill(0);
  let place = 0;
  for (let i = 0; i < result.length; i++) {
    result[i] = values[place];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      place += strides[axis];
      if (++index[axis] < shape[axis]) break;
      place -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return result;
}

/**
 * A strided view of a range of a file, such as a transposed matrix that was saved without copying. In the common case that
 * its elements lie in order, it stays in the file.
 *
 * @param stretch the whole range that the view may touch, as one axis
 * @param offset first element of the view in the range
 * @throws UserError on demand, when the view repeats elements so often that it is larger than its range
 */
export function stridedView(
  stretch: StoredTensor,
  { offset, shape, strides }: { offset: number; shape: readonly number[]; strides: readonly number[] },
): WeightTensor {
  const { dtype, path } = stretch;
  const size = DTYPE_BYTES[dtype];
  const byteOffset = stretch.byteOffset + offset * size;
  const inOrder = contiguousStrides(shape);
  const elements = product(shape);
  if (elements === 0 || shape.every((length, axis) => length === 1 || strides[axis] === inOrder[axis])) {
    return { dtype, shape, path, byteOffset, byteLength: elements * size };
  }
  const last = sum(shape.map((length, axis) => (length - 1) * strides[axis]));
  return computed(stretch, shape, () => {
    if (elements > last + 1) {
      throw new UserError(
        `${path}: a tensor of shape [${shape}] repeats the same elements; save a copy of it instead`,
      );
    }
    const touched = files.readRangeSync(path, byteOffset, (last + 1) * size).buffer;
    return gathered(decodeTensor(dtype, touched), shape, strides);
  });
}
