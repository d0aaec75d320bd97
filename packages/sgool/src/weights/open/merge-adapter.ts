/** @file A model with an adapter in its weights, as a folder in the diffusers layout. Node only. */
import { dirname, join, relative } from 'node:path';
import { disk } from '#platform';
import { UserError } from '../../errors.ts';
import { fileSystemReason } from '../../platform/file-errors.ts';
import type { WeightTensor } from '../formats/weight-source.ts';
import { lazily, writeSafetensors } from '../formats/write-safetensors.ts';
import { copyFileAtomic, replaceFolder } from '../sources/atomic-file.ts';
import { makeFolders } from '../sources/make-folders.ts';
import { type Adapter, applyAdapter } from './adapter.ts';
import { openModelFolder } from './model-folder.ts';

const UNET = 'unet';
/** Files of the network that has new weights: nothing but its configuration is copied. */
const CONFIG = 'config.json';

/**
 * Writes a copy of a model whose UNet has the weights of an adapter, in the types that they had: a network of two types does not run in
 * diffusers. So weights of a model in half precision are rounded to it.
 *
 * @param model folder in the diffusers layout
 * @param target folder that must not be there yet
 * @throws UserError where the model is a single file, the adapter was made for another one, or the file system refuses
 */
export async function mergeAdapter(model: string, adapter: Adapter, target: string): Promise<void> {
  if (!disk.isFolder(model)) {
    throw new UserError(
      `${model}: is a single file, which cannot be merged into; give a folder in the diffusers layout`,
    );
  }
  if (disk.exists(target)) throw new UserError(`${target}: is there already; give another folder`);
  const folder = await openModelFolder(model);
  const before = folder.components.get(UNET)?.weights.tensors;
  const unet = (await applyAdapter(folder.components, adapter)).get(UNET);
  if (unet === undefined || before === undefined) throw new UserError(`${model}: has no ${UNET}`);
  try {
    await makeFolders(dirname(target));
    await replaceFolder(target, async (dir) => {
      for (const path of filesBelow(model)) {
        const name = relative(model, path);
        if (dirname(name) === UNET && name !== join(UNET, CONFIG)) continue;
        await makeFolders(join(dir, dirname(name)));
        await copyFileAtomic(join(dir, name), path);
      }
      const weights = join(dir, UNET, 'diffusion_pytorch_model.safetensors');
      await writeSafetensors(weights, lazily(inOldTypes(unet.weights.tensors, before)), { format: 'pt' });
    });
  } catch (error) {
    const reason = fileSystemReason(error);
    if (reason === undefined) throw error;
    throw new UserError(`cannot write ${target}: ${reason}`, { cause: error });
  }
}

/** Weights that were computed in float32, in half precision where they were. */
function inOldTypes(
  now: ReadonlyMap<string, WeightTensor>,
  before: ReadonlyMap<string, WeightTensor>,
): Map<string, WeightTensor> {
  return new Map(
    [...now].map(([name, tensor]) => {
      const dtype = before.get(name)?.dtype;
      const isHalf = dtype === 'F16' || dtype === 'BF16';
      return [name, isHalf && tensor.dtype === 'F32' ? { ...tensor, dtype } : tensor];
    }),
  );
}

/** All files of a folder, also of those that links lead to. */
function filesBelow(folder: string): string[] {
  return disk.list(folder).flatMap((name) => {
    const path = join(folder, name);
    return disk.isFolder(path) ? filesBelow(path) : [path];
  });
}
