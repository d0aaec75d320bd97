/** @file Weights in a safetensors file as constants of a trace: mapped by ONNX Runtime, never read in JavaScript. */
import { type ConstantSource, type DType, frozen, type Weights } from '@sgool/autodiff';
import { UserError } from '../errors.ts';
import {
  type SafetensorsFile,
  type StoredTensor,
  type WeightSource,
  weightSource,
} from '../weights/index.ts';

const DTYPES: Readonly<Record<string, DType>> = {
  F32: 'float32',
  F16: 'float16',
  I64: 'int64',
  I32: 'int32',
};

/**
 * Frozen weights for a network. float16 weights are computed with in float32.
 *
 * @param file an opened safetensors file, or a view of one under other names
 * @throws UserError from `get` when a weight is missing, has another shape than the configuration asks for, or a type
 *   that is not supported (bfloat16)
 */
export function networkWeights(file: SafetensorsFile | WeightSource): Weights {
  const source = 'tensors' in file ? weightSource(file) : file;
  const constants = new Map<string, ConstantSource>();
  for (const name of source.names()) {
    const { dtype, shape, path, byteOffset, byteLength } = source.get(name);
    const type = DTYPES[dtype];
    if (type) constants.set(name, { dtype: type, shape, file: { path, byteOffset, byteLength } });
  }
  const weights = frozen(constants, 'networkWeights');
  return {
    has: (name) => source.has(name),
    get(name, shape) {
      check(name, shape, source.get(name));
      return weights.get(name, shape);
    },
  };
}

function check(name: string, shape: readonly number[], stored: StoredTensor): void {
  if (!(stored.dtype in DTYPES)) {
    throw new UserError(
      `${stored.path}: weight ${name} is stored as ${stored.dtype}; convert the file to F16 or F32`,
    );
  }
  if (stored.shape.length !== shape.length || stored.shape.some((length, i) => length !== shape[i])) {
    throw new UserError(
      `${stored.path}: weight ${name} has shape [${stored.shape}], its configuration asks for [${shape}]`,
    );
  }
}
