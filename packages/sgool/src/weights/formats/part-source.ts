/** @file Weights of a network whose tensors are parts of those in a file: rows of a joint projection, halves in another order. */
import { UserError } from '../../errors.ts';
import { product, sum } from '../../numbers.ts';
import { computed, float32Of, rows, transposed, valuesOf } from './tensor-views.ts';
import { sourceOf, type TensorFile, type WeightSource, type WeightTensor } from './weight-source.ts';

/** One tensor of a network, as a part of a tensor in a file. */
export interface TensorPart {
  /** Its name in the network, or that of its module. */
  readonly name: string;
  /** Some of the rows: `count` of `of` equal bands, from band `first` on. Default: all. */
  readonly band?: { readonly first: number; readonly count: number; readonly of: number };
  /** Stored for multiplication from the right: rows and columns are exchanged. */
  readonly transpose?: true;
  /** The second half of the rows comes first in the network. */
  readonly swap?: true;
}

/** Parts of one tensor that divide its rows evenly, in order. */
export function evenParts(...names: readonly string[]): TensorPart[] {
  return names.map((name, first) => ({ name, band: { first, count: 1, of: names.length } }));
}

/** A tensor whose rows begin with those of its second half. Small weights only: it is computed in memory. */
export function swappedHalves(tensor: WeightTensor): WeightTensor {
  const [height, ...rest] = tensor.shape;
  if (height % 2 !== 0) {
    throw new UserError(`${tensor.path}: a weight of shape [${tensor.shape}] where two halves were expected`);
  }
  const half = (height / 2) * product(rest);
  return computed(tensor, tensor.shape, () => {
    const values = valuesOf(tensor);
    const out = values.slice();
    out.set(values.subarray(half) as never, 0);
    out.set(values.subarray(0, half) as never, half);
    return out;
  });
}

/**
 * The part of a tensor. In a file, rows are a range of bytes; nothing is copied.
 *
 * @throws UserError where the rows cannot be divided
 */
export function partOf(tensor: WeightTensor, { band, transpose, swap }: TensorPart): WeightTensor {
  let part = tensor;
  if (band !== undefined) {
    const [height] = tensor.shape;
    if (height % band.of !== 0) {
      throw new UserError(
        `${tensor.path}: a weight of shape [${tensor.shape}] does not divide into ${band.of} equal parts`,
      );
    }
    const size = height / band.of;
    part = rows(tensor, band.first * size, band.count * size);
  }
  if (swap) part = swappedHalves(part);
  return transpose ? transposed(part) : part;
}

/**
 * The tensor of a file from its parts: the way back from `partOf`. One part alone is the tensor itself.
 *
 * @param tensors in the order of their parts, which have bands one after the other
 */
export function joined(tensors: readonly WeightTensor[], parts: readonly TensorPart[]): WeightTensor {
  const [first] = tensors;
  if (tensors.length === 1) return parts[0].swap ? swappedHalves(first) : first;
  const shape = [sum(tensors.map((each) => each.shape[0])), ...first.shape.slice(1)];
  return computed(first, shape, () => {
    const all = tensors.map(float32Of);
    const values = new Float32Array(sum(all.map(({ length }) => length)));
    let at = 0;
    for (const each of all) {
      values.set(each, at);
      at += each.length;
    }
    return values;
  });
}

/**
 * Presents the tensors of a file as those of a network.
 *
 * @param partsOf the parts of a tensor by its name in the file; none for one that the network does not need
 * @throws UserError when two tensors get the same name, or one cannot be divided
 */
export function partSource(
  { path, tensors }: Pick<TensorFile, 'path' | 'tensors'>,
  partsOf: (nameInFile: string) => readonly TensorPart[],
): WeightSource {
  const found = new Map<string, WeightTensor>();
  for (const [nameInFile, tensor] of tensors) {
    for (const part of partsOf(nameInFile)) {
      if (found.has(part.name)) {
        throw new UserError(`${path}: two tensors have the name ${part.name}, one is ${nameInFile}`);
      }
      found.set(part.name, partOf(tensor, part));
    }
  }
  return sourceOf(path, found);
}
