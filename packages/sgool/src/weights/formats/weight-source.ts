/** @file Weights by the names that a network uses, whatever their names in the file. */

import { UserError } from '../../errors.ts';
import { sum } from '../../numbers.ts';
import type { Dtype, TensorData } from './dtypes.ts';
import type { TensorEntry } from './safetensors-header.ts';

/** A tensor that stays in its file: where an engine finds it to map it as a constant. */
export interface StoredTensor extends TensorEntry {
  /** Real path of the file. */
  readonly path: string;
}

/** A tensor that is computed on demand from tensors in files: transposed, converted, merged. */
export interface ComputedTensor {
  /** Type of the values that `compute` gives; float16 and bfloat16 come as float32. */
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Real path of the file that it is made from. */
  readonly path: string;
  /** Its size in memory. */
  readonly byteLength: number;
  /** @throws UserError when the file can no longer be read */
  compute(): TensorData;
  /** The computation as base + scale · up · down in the base's shape, for an engine that can do it faster. */
  readonly lowRank?: {
    readonly base: WeightTensor;
    /** [rows of the base, rank], perhaps with trailing axes of length 1. */
    readonly up: WeightTensor;
    /** [rank, all other axes of the base]. */
    readonly down: WeightTensor;
    readonly scale: number;
  };
  /** The computation as base · scale, for an engine that can do it where it is used. */
  readonly scaled?: {
    readonly base: WeightTensor;
    /** One number for all, or one for each row of the base. */
    readonly scale: WeightTensor;
  };
}

/** A tensor of a network. */
export type WeightTensor = StoredTensor | ComputedTensor;

/** Bytes of all tensors together. */
export function weightBytes(tensors: ReadonlyMap<string, Pick<WeightTensor, 'byteLength'>>): number {
  return sum(Array.from(tensors.values(), ({ byteLength }) => byteLength));
}

/** Real paths of the files that tensors lie in, or are made from. */
export function weightFiles({ tensors }: Pick<WeightSource, 'tensors'>): string[] {
  return [...new Set(Array.from(tensors.values(), ({ path }) => path))].toSorted();
}

/** An opened file of tensors: names, shapes, places. */
export interface TensorFile {
  /** Real path of the file, or of the first of several. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, WeightTensor>;
  /** The metadata of a safetensors file, or the plain values of a checkpoint. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The weights of one network. */
export interface WeightSource {
  /** Real path of the file, or of the first of several. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, WeightTensor>;
  names(): string[];
  has(name: string): boolean;
  /** @throws UserError when there is no tensor of that name */
  get(name: string): WeightTensor;
}

/** Gives the network's name of a tensor for the name in the file; undefined leaves the tensor out. */
export type RenameTensor = (nameInFile: string) => string | undefined;

/** Tensors by the names of a network. */
export function sourceOf(path: string, tensors: ReadonlyMap<string, WeightTensor>): WeightSource {
  return {
    path,
    tensors,
    names: () => [...tensors.keys()],
    has: (name) => tensors.has(name),
    get(name) {
      const tensor = tensors.get(name);
      if (tensor === undefined) throw new UserError(`${path}: the weight ${name} is missing`);
      return tensor;
    },
  };
}

/**
 * Presents an opened file as the weights of a network.
 *
 * @param rename from names in the file to names of the network. Default: the same names
 * @throws UserError when two tensors get the same name
 */
export function weightSource(
  file: {
    readonly path: string;
    readonly tensors: ReadonlyMap<string, TensorEntry | WeightTensor>;
  },
  rename: RenameTensor = (name) => name,
): WeightSource {
  const tensors = new Map<string, WeightTensor>();
  for (const [nameInFile, entry] of file.tensors) {
    const name = rename(nameInFile);
    if (name === undefined) continue;
    if (tensors.has(name))
      throw new UserError(`${file.path}: two tensors have the name ${name}, one is ${nameInFile}`);
    tensors.set(name, { path: file.path, ...entry });
  }
  return sourceOf(file.path, tensors);
}

/** The tensors whose names begin with a prefix, without it. */
export function below({ tensors }: Pick<TensorFile, 'tensors'>, prefix: string): Map<string, WeightTensor> {
  const found = new Map<string, WeightTensor>();
  for (const [name, tensor] of tensors) {
    if (name.startsWith(prefix)) found.set(name.slice(prefix.length), tensor);
  }
  return found;
}

const VAE_ATTENTION_NAMES: Record<string, string> = {
  query: 'to_q',
  key: 'to_k',
  value: 'to_v',
  proj_attn: 'to_out.0',
};

/**
 * Old to new names of the autoencoder's attention: Stable Diffusion's float32 file says `query`, `key`, `value`,
 * `proj_attn`, its float16 file `to_q`, `to_k`, `to_v`, `to_out.0`. Other names pass unchanged.
 *
 * Reference: diffusers, models/modeling_utils.py, `_fix_state_dict_keys_on_load`
 */
export function renameVaeAttention(nameInFile: string): string {
  return nameInFile.replace(
    /(\.attentions\.\d+\.)(query|key|value|proj_attn)(?=\.)/,
    (_, path: string, old: string) => path + VAE_ATTENTION_NAMES[old],
  );
}

/** Leaves out `position_ids`, a constant 0, 1, 2, ... in older CLIP files. */
export function dropPositionIds(nameInFile: string): string | undefined {
  return nameInFile.endsWith('.position_ids') ? undefined : nameInFile;
}
