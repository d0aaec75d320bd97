/** @file A CLIP in one file: OpenAI's archives, OpenCLIP and models trained from it (HPS), or transformers' names. */
import { places } from '#platform';
import { UserError } from '../../errors.ts';
import { openTensorFile } from '../formats/tensor-file.ts';
import { rows, transposed } from '../formats/tensor-views.ts';
import {
  dropPositionIds,
  sourceOf,
  type TensorFile,
  type WeightSource,
  type WeightTensor,
  weightSource,
} from '../formats/weight-source.ts';
import { inferClipConfig } from '../names/infer-config.ts';
import { openClipParts } from '../names/open-clip.ts';
import type { ModelComponent } from './model-folder.ts';

/**
 * Presents a CLIP with OpenAI's names under transformers' names. Joint projections are split into byte ranges; the two
 * projections into the common space are transposed in memory on demand.
 *
 * @param prefix in front of all names, for instance `cond_stage_model.model.` in a checkpoint of Stable Diffusion 2
 */
export function openClipSource(file: Pick<TensorFile, 'path' | 'tensors'>, prefix = ''): WeightSource {
  const tensors = new Map<string, WeightTensor>();
  for (const [nameInFile, tensor] of file.tensors) {
    if (!nameInFile.startsWith(prefix)) continue;
    for (const { name, third, transpose } of openClipParts(nameInFile.slice(prefix.length))) {
      const size = tensor.shape[0] / 3;
      if (third !== undefined && !Number.isInteger(size)) {
        throw new UserError(
          `${file.path}: ${nameInFile} of shape [${tensor.shape}] is not a joint projection`,
        );
      }
      const part = third === undefined ? tensor : rows(tensor, third * size, size);
      tensors.set(name, transpose ? transposed(part) : part);
    }
  }
  return sourceOf(file.path, tensors);
}

/** The weights of a file under transformers' names. @throws UserError when it holds no supported CLIP */
function clipSource(file: TensorFile): WeightSource {
  if (file.tensors.has('vision_model.embeddings.patch_embedding.weight')) {
    return weightSource(file, dropPositionIds);
  }
  if (
    file.tensors.has('visual.conv1.weight') &&
    file.tensors.has('visual.transformer.resblocks.0.ln_1.weight')
  ) {
    return openClipSource(file);
  }
  if (file.tensors.has('visual.layer1.0.conv1.weight')) {
    throw new UserError(
      `${file.path}: a CLIP with a ResNet, which is not supported; use one with a vision transformer, such as ViT-B/32`,
    );
  }
  throw new UserError(
    `${file.path}: not a CLIP: no tensor visual.conv1.weight or vision_model.embeddings.patch_embedding.weight`,
  );
}

/**
 * Opens a CLIP in one file, .pt, .pth, .bin or .safetensors. Its configuration is inferred from the shapes. Small
 * OpenCLIP models differ from OpenAI's in their activation only, which shapes do not show.
 *
 * @param activation of both towers. Default: OpenAI's, except for widths that only OpenCLIP has
 * @throws UserError when the file is broken or holds no CLIP
 */
export async function openClipFile(
  path: string,
  { activation }: { activation?: 'quick_gelu' | 'gelu' } = {},
): Promise<ModelComponent> {
  const weights = clipSource(await openTensorFile(path));
  return { name: places.basename(path), dir: path, config: inferClipConfig(weights, activation), weights };
}
