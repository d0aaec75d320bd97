/** @file An autoencoder in one file, alone or in that of a whole model, with LDM's or diffusers' names. */
import { UserError } from '../../errors.ts';
import { squeezed } from '../formats/tensor-views.ts';
import {
  below,
  renameVaeAttention,
  sourceOf,
  type TensorFile,
  type WeightSource,
  type WeightTensor,
  weightSource,
} from '../formats/weight-source.ts';
import { refuseAs } from '../names/known-files.ts';
import { ldmVaeBlocks, ldmVaeName } from '../names/ldm-vae.ts';

/** Where a file of a whole model has it; ComfyUI saves it in the second place for Flux. */
const PREFIXES = ['first_stage_model.', 'vae.'];

/**
 * Presents an autoencoder with LDM's names under diffusers' names. LDM stores its attention as 1x1 convolutions.
 *
 * @param tensors by names below `first_stage_model.`
 */
export function ldmVaeSource(path: string, tensors: ReadonlyMap<string, WeightTensor>): WeightSource {
  const blocks = ldmVaeBlocks(tensors.keys());
  const source = weightSource({ path, tensors }, (name) => ldmVaeName(name, blocks));
  const linear = new Map(
    [...source.tensors].map(([name, tensor]): [string, WeightTensor] => [
      name,
      /\.attentions\.0\.to_.*\.weight$/.test(name) ? squeezed(tensor, 2) : tensor,
    ]),
  );
  return sourceOf(path, linear);
}

/** The autoencoder in a file; undefined where it has none. */
export function findVae({ path, tensors }: Pick<TensorFile, 'path' | 'tensors'>): WeightSource | undefined {
  const inside = PREFIXES.map((prefix) => below({ tensors }, prefix)).find(({ size }) => size > 0);
  const own = inside ?? tensors;
  if (own.has('encoder.down.0.block.0.conv1.weight')) return ldmVaeSource(path, own);
  if (own.has('encoder.down_blocks.0.resnets.0.conv1.weight')) {
    return weightSource({ path, tensors: own }, renameVaeAttention);
  }
  return undefined;
}

/** The autoencoder in a file that is given as one. @throws UserError where it is something else */
export function vaeSource(file: TensorFile): WeightSource {
  refuseAs('vae', file);
  const found = findVae(file);
  if (found !== undefined) return found;
  throw new UserError(`${file.path}: not an autoencoder: no tensor encoder.down.0.block.0.conv1.weight`);
}
