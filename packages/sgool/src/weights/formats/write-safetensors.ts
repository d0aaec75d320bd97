/** @file Writing safetensors files. Node only. */
import { product } from '../../numbers.ts';
import { replaceFile } from '../sources/atomic-file.ts';
import { DTYPE_BYTES, type Dtype, encodeTensor, type TensorData } from './dtypes.ts';
import { valuesOf } from './tensor-views.ts';
import type { WeightTensor } from './weight-source.ts';

/** A tensor to be written: F16 and BF16 take float32 values, any other type its own typed array. */
export interface TensorToWrite {
  dtype: Dtype;
  shape: readonly number[];
  data: TensorData;
}

const DTYPE_ORDER = Object.keys(DTYPE_BYTES);

/** The order of the reference implementation: widest elements first, which keeps all aligned, then by name. */
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
 * @param metadata texts by key, for instance `{ format: 'pt' }`, which transformers and diffusers look for
 * @param isFlushed see `replaceFile`
 * @throws UserError when the file system refuses (full disk, missing or unwritable folder)
 */
export async function writeSafetensors(
  path: string,
  tensors: Record<string, TensorToWrite>,
  metadata?: Record<string, string>,
  isFlushed = true,
): Promise<void> {
  const ordered = inFileOrder(tensors);
  const header: Record<string, unknown> = {};
  if (metadata !== undefined) {
    header.__metadata__ = Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)));
  }
  let offset = 0;
  for (const [name, { dtype, shape, data }] of ordered) {
    const elements = product(shape);
    if (name === '__metadata__')
      throw new Error('writeSafetensors: a tensor must not be called __metadata__');
    if (data.length !== elements) {
      throw new Error(`writeSafetensors: ${name} [${shape}] needs ${elements} values, got ${data.length}`);
    }
    const end = offset + elements * DTYPE_BYTES[dtype];
    header[name] = { dtype, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(padded.buffer).setBigUint64(0, BigInt(padded.length - 8), true);
  padded.set(json, 8);

  await replaceFile(
    path,
    async (file) => {
      await file.writeFile(padded);
      for (const [, { dtype, data }] of ordered) await file.writeFile(encodeTensor(dtype, data));
    },
    isFlushed,
  );
}

/** Tensors that are read when they are written, so that only one of them is in memory at a time. */
export function lazily(tensors: ReadonlyMap<string, WeightTensor>): Record<string, TensorToWrite> {
  return Object.fromEntries(
    [...tensors].map(([name, tensor]) => [
      name,
      {
        // 8-bit floats fit into float16.
        dtype: tensor.dtype.startsWith('F8') ? 'F16' : tensor.dtype,
        shape: tensor.shape,
        get data() {
          return valuesOf(tensor);
        },
      },
    ]),
  );
}
