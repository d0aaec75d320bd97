/** @file Weights by the names that a network uses, whatever the file calls them. */

import { UserError } from '../../errors.ts';
import { sum } from '../../numbers.ts';
import type { Dtype, TensorData } from './dtypes.ts';
import type { TensorEntry } from './safetensors-header.ts';

/** A tensor that stays in its file: what an engine needs to map it as a constant. */
export interface StoredTensor extends TensorEntry {
  /** Real path of the file. */
  readonly path: string;
}

/** A tensor that is made when it is asked for, from others that lie in files: transposed, converted, merged. */
export interface ComputedTensor {
  /** Type of the values that `compute` gives; float16 and bfloat16 come as float32. */
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Real path of the file that it is made from. */
  readonly path: string;
  /** Bytes that it takes in memory. */
  readonly byteLength: number;
  /** @throws UserError when the file can no longer be read */
  compute(): TensorData;
  /** How it comes about, for an engine that can do it faster: base + scale · up · down, in the base's shape. */
  readonly lowRank?: {
    readonly base: WeightTensor;
    /** Rows of the base by rank, perhaps with axes of length 1 behind. */
    readonly up: WeightTensor;
    /** Rank by all other axes of the base. */
    readonly down: WeightTensor;
    readonly scale: number;
  };
}

export type WeightTensor = StoredTensor | ComputedTensor;

/** Bytes of all tensors together. */
export function weightBytes(tensors: ReadonlyMap<string, Pick<WeightTensor, 'byteLength'>>): number {
  return sum(Array.from(tensors.values(), ({ byteLength }) => byteLength));
}

/** An opened file of tensors: names, shapes, places. */
export interface TensorFile {
  /** Real path of the file, or of the first of several. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, WeightTensor>;
  /** What is written beside the tensors: the metadata of a safetensors file, plain values of a checkpoint. */
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
 * Looks at an opened file as the weights of a network.
 *
 * @param rename from names in the file to names of the network; by default they are the same
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
      throw new UserError(`${file.path}: two tensors stand for ${name}, one is ${nameInFile}`);
    tensors.set(name, { path: file.path, ...entry });
  }
  return sourceOf(file.path, tensors);
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

/** Leaves out `position_ids`, a constant 0, 1, 2, ... that older CLIP files carry. */
export function dropPositionIds(nameInFile: string): string | undefined {
  return nameInFile.endsWith('.position_ids') ? undefined : nameInFile;
}
