/** @file Weights by the names that a network uses, whatever the file calls them. */

import { UserError } from '../errors.ts';
import type { Dtype } from './dtypes.ts';
import type { SafetensorsFile } from './safetensors.ts';

/** A tensor that stays in its file: what an engine needs to map it as a constant. */
export interface StoredTensor {
  dtype: Dtype;
  shape: readonly number[];
  /** Real path of the file. */
  path: string;
  byteOffset: number;
  byteLength: number;
}

/** The weights of one network. */
export interface WeightSource {
  names(): string[];
  has(name: string): boolean;
  /** @throws UserError when there is no tensor of that name */
  get(name: string): StoredTensor;
}

/** Gives the network's name of a tensor for the name in the file; undefined leaves the tensor out. */
export type RenameTensor = (nameInFile: string) => string | undefined;

/**
 * Looks at an opened file as the weights of a network.
 *
 * @param rename from names in the file to names of the network; by default they are the same
 */
export function weightSource(file: SafetensorsFile, rename: RenameTensor = (name) => name): WeightSource {
  const tensors = new Map<string, StoredTensor>();
  for (const [nameInFile, entry] of file.tensors) {
    const name = rename(nameInFile);
    if (name === undefined) continue;
    if (tensors.has(name))
      throw new UserError(`${file.path}: two tensors stand for ${name}, one is ${nameInFile}`);
    tensors.set(name, { ...entry, path: file.path });
  }
  return {
    names: () => [...tensors.keys()],
    has: (name) => tensors.has(name),
    get(name) {
      const tensor = tensors.get(name);
      if (tensor === undefined) throw new UserError(`${file.path}: the weight ${name} is missing`);
      return tensor;
    },
  };
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
