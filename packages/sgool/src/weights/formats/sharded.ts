/**
 * @file Weights that are split over several files. `<name>.safetensors.index.json` or `pytorch_model.bin.index.json` names the
 * file of each tensor.
 *
 * Reference: huggingface_hub, serialization/_base.py (split_state_dict_into_shards_factory)
 */
import { places } from '#platform';
import { UserError } from '../../errors.ts';
import { readConfig } from '../sources/read-config.ts';
import { openTensorFile } from './tensor-file.ts';
import type { TensorFile, WeightTensor } from './weight-source.ts';

const MAX_SHARDS = 1000;

/** The files that an index names, in its order; each must lie beside the index. */
function shardNames(weightMap: Readonly<Record<string, unknown>>, path: string): string[] {
  const names = new Set(Object.values(weightMap));
  for (const name of names) {
    if (typeof name !== 'string' || name === '' || /[/\\:\p{Cc}]/u.test(name) || name.startsWith('.')) {
      throw new UserError(
        `${path}: a shard must be a file beside the index, got ${JSON.stringify(name)?.slice(0, 80)}`,
      );
    }
  }
  if (names.size > MAX_SHARDS)
    throw new UserError(`${path}: ${names.size} shards, the limit is ${MAX_SHARDS}`);
  return [...(names as Set<string>)];
}

/** A name of a file, short and without control characters. */
const quoted = (name: string) => JSON.stringify(name.slice(0, 80));

/** Refuses a shard with a tensor that the index does not assign to it: which of two copies counts, or why one is left out, nobody can say. */
function checkShard(
  path: string,
  name: string,
  shard: TensorFile,
  weightMap: Readonly<Record<string, string>>,
): void {
  for (const tensor of shard.tensors.keys()) {
    const listed = Object.hasOwn(weightMap, tensor) ? weightMap[tensor] : undefined;
    if (listed === name) continue;
    const says = listed === undefined ? 'does not list' : `expects in ${listed}`;
    throw new UserError(
      `${path}: ${name} holds ${quoted(tensor)}, which the index ${says}; download index and shards again, from one place`,
    );
  }
}

/**
 * Opens an index and every file that it names, as one.
 *
 * @throws UserError when a file is missing or broken, or index and files do not name the same tensors
 */
export async function openSharded(path: string): Promise<TensorFile> {
  const { weight_map: weightMap } = await readConfig(path);
  if (typeof weightMap !== 'object' || weightMap === null || Array.isArray(weightMap)) {
    throw new UserError(`${path}: it has no weight_map; is it an index of shards?`);
  }
  const shards = new Map<string, TensorFile>();
  for (const name of shardNames(weightMap as Record<string, unknown>, path)) {
    const shard = await openTensorFile(places.join(places.dirname(path), name));
    checkShard(path, name, shard, weightMap as Record<string, string>);
    shards.set(name, shard);
  }
  const [first] = shards.values();
  if (first === undefined) throw new UserError(`${path}: its weight_map is empty`);
  const tensors = new Map<string, WeightTensor>();
  for (const [name, shard] of Object.entries(weightMap as Record<string, string>)) {
    const tensor = shards.get(shard)?.tensors.get(name);
    if (tensor === undefined) throw new UserError(`${path}: ${shard} does not hold ${quoted(name)}`);
    tensors.set(name, tensor);
  }
  return { path: first.path, tensors, metadata: first.metadata };
}
