/** @file Weights in files as constants of a trace. ONNX Runtime maps them from the file; only few are read into memory. */
import {
  add,
  type ConstantSource,
  cast,
  constant,
  type DType,
  type Layout,
  matmul,
  mul,
  reshape,
  sizeOf,
  type Tensor,
  type Weights,
} from '@sgool/autodiff';
import { NotFiniteError, UserError } from '../errors.ts';
import { product } from '../numbers.ts';
import { isFloat } from '../weights/formats/dtypes.ts';
import type { SafetensorsFile } from '../weights/formats/safetensors.ts';
import { float32Of } from '../weights/formats/tensor-views.ts';
import {
  type TensorFile,
  type WeightSource,
  type WeightTensor,
  weightSource,
} from '../weights/formats/weight-source.ts';

const DTYPES: Readonly<Record<string, DType>> = {
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  F8_E4M3: 'float8e4m3fn',
  F8_E5M2: 'float8e5m2',
  I64: 'int64',
  I32: 'int32',
};

/** From this size in bytes on, weights stay in their mapped file instead of being copied into faster layouts. */
const LEAN_FROM_BYTES = 500e6;

/** The layout with which to compile a network, by the size of its weights in bytes. */
export const layoutFor = (bytes: number): Layout => (bytes >= LEAN_FROM_BYTES ? 'lean' : 'fast');

/** How the weights of a network are given. */
export interface NetworkWeightsOptions {
  /**
   * Whether the numbers of each weight are read and checked. Needed for networks with ReLU or max pooling, where ONNX Runtime turns
   * NaN into zero: what leaves such a network is finite even if its weights are not. Default false: all others give NaN where a
   * weight is not finite, and `runtime/damaged-weight.ts` finds it then.
   */
  readonly checkNumbers?: boolean;
  /**
   * Whether floats of 8 bits stay in their file, too, and are cast where they are used. It takes a quarter of the memory, but ONNX Runtime
   * casts them ten times as slowly as bfloat16, at every use. Default false: they become float32 in memory when a program is made.
   */
  readonly mapsFloat8?: boolean;
}

/**
 * Frozen weights for a network. float16 and bfloat16 weights are cast to float32; float64 weights, those computed from others, and
 * unless they are mapped floats of 8 bits are kept in memory as float32.
 *
 * @param file an opened file, or a view of one under other names
 * @throws UserError from `get` when a weight is missing, has another shape than its configuration says, or is stored
 *   in an integer type that is not supported; NotFiniteError when a weight that is checked, or kept in memory, holds NaN or an infinity
 */
export function networkWeights(
  file: SafetensorsFile | TensorFile | WeightSource,
  { checkNumbers = false, mapsFloat8 = false }: NetworkWeightsOptions = {},
): Weights {
  const source = 'get' in file ? file : weightSource(file);
  // One source per tensor, so that a program contains it once.
  const constants = new Map<WeightTensor, ConstantSource>();

  function symbol(name: string, tensor: WeightTensor): Tensor {
    if ('compute' in tensor && tensor.lowRank) {
      // ONNX Runtime folds this once when it compiles, faster than JavaScript could.
      const { base, up, down, scale } = tensor.lowRank;
      const [height, rank] = [base.shape[0], down.shape[0]];
      const left = mul(reshape(symbol(name, up), [height, rank]), scale);
      const right = reshape(symbol(name, down), [rank, sizeOf(down.shape.slice(1))]);
      return add(symbol(name, base), reshape(matmul(left, right), [...tensor.shape]));
    }
    if (mapsFloat8 && 'compute' in tensor && tensor.scaled) {
      const { base, scale } = tensor.scaled;
      const factors = constant({
        dtype: 'float32',
        shape: scaleShape(scale, base),
        data: checked(name, scale),
      });
      return reshape(mul(symbol(name, base), factors), [...tensor.shape]);
    }
    let stored = constants.get(tensor);
    if (!stored) constants.set(tensor, (stored = constantOf(name, tensor, mapsFloat8)));
    return cast(constant(stored), 'float32');
  }

  return {
    has: (name) => source.has(name),
    get(name, shape) {
      const tensor = source.get(name);
      check(name, shape, tensor);
      if (checkNumbers && isFloat(tensor.dtype)) checked(name, tensor);
      return symbol(name, tensor);
    },
  };
}

/** One factor for all, or one for each row. */
const scaleShape = (scale: WeightTensor, base: WeightTensor): number[] =>
  base.shape.map((length, axis) => (axis === 0 && product(scale.shape) > 1 ? length : 1));

function constantOf(name: string, tensor: WeightTensor, mapsFloat8: boolean): ConstantSource {
  const { dtype, shape, path } = tensor;
  const type = dtype.startsWith('F8') && !mapsFloat8 ? undefined : DTYPES[dtype];
  const label = `${path}: weight ${name}`;
  if (type && 'byteOffset' in tensor) {
    const { byteOffset, byteLength } = tensor;
    return { dtype: type, shape, label, file: { path, byteOffset, byteLength } };
  }
  if (isFloat(dtype)) return { dtype: 'float32', shape, label, data: checked(name, tensor) };
  throw new UserError(`${path}: weight ${name} is stored as ${dtype}; it must be F32, F16, BF16 or F64`);
}

function check(name: string, shape: readonly number[], stored: WeightTensor): void {
  if (stored.shape.length !== shape.length || stored.shape.some((length, i) => length !== shape[i])) {
    throw new UserError(
      `${stored.path}: weight ${name} has shape [${stored.shape}], its configuration needs [${shape}]`,
    );
  }
}

/** The numbers of a weight. @throws NotFiniteError where one is not finite */
function checked(name: string, tensor: WeightTensor): Float32Array {
  const values = float32Of(tensor);
  const bad = values.find((value) => !Number.isFinite(value));
  if (bad === undefined) return values;
  throw new NotFiniteError(`${tensor.path}: weight ${name} holds ${bad}; every number must be finite`);
}
