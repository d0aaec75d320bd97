/** @file Weights in files as constants of a trace: mapped by ONNX Runtime where they lie, read only where they must be. */
import { type ConstantSource, type DType, frozen, type Weights } from '@sgool/autodiff';
import { UserError } from '../errors.ts';
import {
  float32Of,
  isFloat,
  type SafetensorsFile,
  type TensorFile,
  type WeightSource,
  type WeightTensor,
  weightSource,
} from '../weights/index.ts';

const DTYPES: Readonly<Record<string, DType>> = {
  F32: 'float32',
  F16: 'float16',
  I64: 'int64',
  I32: 'int32',
};

/**
 * Frozen weights for a network. float16 weights are computed with in float32; bfloat16 and float64 ones, and those that are
 * computed from others, are kept in memory as float32.
 *
 * @param file an opened file, or a view of one under other names
 * @throws UserError from `get` when a weight is missing, has another shape than the configuration asks for, or holds whole
 *   numbers of a type that is not supported
 */
export function networkWeights(file: SafetensorsFile | TensorFile | WeightSource): Weights {
  const source = 'get' in file ? file : weightSource(file);
  const constants = new Map<string, ConstantSource>();
  const weights = frozen(constants, 'networkWeights');
  return {
    has: (name) => source.has(name),
    get(name, shape) {
      const tensor = source.get(name);
      check(name, shape, tensor);
      if (!constants.has(name)) constants.set(name, constantOf(name, tensor));
      return weights.get(name, shape);
    },
  };
}

function constantOf(name: string, tensor: WeightTensor): ConstantSource {
  const { dtype, shape, path } = tensor;
  const type = DTYPES[dtype];
  if (type && 'byteOffset' in tensor) {
    const { byteOffset, byteLength } = tensor;
    return { dtype: type, shape, file: { path, byteOffset, byteLength } };
  }
  if (isFloat(dtype)) return { dtype: 'float32', shape, data: float32Of(tensor) };
  throw new UserError(`${path}: weight ${name} is stored as ${dtype}; it must be F32, F16, BF16 or F64`);
}

function check(name: string, shape: readonly number[], stored: WeightTensor): void {
  if (stored.shape.length !== shape.length || stored.shape.some((length, i) => length !== shape[i])) {
    throw new UserError(
      `${stored.path}: weight ${name} has shape [${stored.shape}], its configuration asks for [${shape}]`,
    );
  }
}
