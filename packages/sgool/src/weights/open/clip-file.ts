/** @file A CLIP in one file: OpenAI's archives, OpenCLIP and models trained from it (HPS), or transformers' names. */
import { files, places } from '#platform';
import { UserError } from '../../errors.ts';
import { partSource } from '../formats/part-source.ts';
import { openTensorFile } from '../formats/tensor-file.ts';
import {
  dropPositionIds,
  type TensorFile,
  type WeightSource,
  weightSource,
} from '../formats/weight-source.ts';
import { inferClipConfig } from '../names/infer-config.ts';
import { refuseAs } from '../names/known-files.ts';
import { openClipParts } from '../names/open-clip.ts';
import { type Config, readConfig } from '../sources/read-config.ts';
import type { ModelComponent } from './model-folder.ts';
import { guessActivation, openClipSettings } from './open-clip-config.ts';

/**
 * Presents a CLIP with OpenAI's names under transformers' names. Joint projections are split into byte ranges; the two
 * projections into the common space are transposed in memory on demand.
 *
 * @param prefix in front of all names, for instance `cond_stage_model.model.` in a checkpoint of Stable Diffusion 2
 */
export function openClipSource(file: Pick<TensorFile, 'path' | 'tensors'>, prefix = ''): WeightSource {
  return partSource(file, (name) =>
    name.startsWith(prefix) ? openClipParts(name.slice(prefix.length)) : [],
  );
}

/** The weights of a file under transformers' names. @throws UserError when it holds no supported CLIP */
function clipSource(file: TensorFile): WeightSource {
  refuseAs('clip', file);
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

/** The configuration of transformers beside a file, where it is that of a CLIP. */
async function configBeside(path: string): Promise<Config | undefined> {
  const beside = places.join(places.dirname(path), 'config.json');
  if (!(await files.exists(beside))) return undefined;
  const config = await readConfig(beside);
  return config.model_type === 'clip' && 'vision_config' in config ? config : undefined;
}

const OPENAI_NAMES = /^visual\./;

/** Width of the image tower from which on only OpenCLIP has published models. */
const WIDE = 1280;

/**
 * Opens a CLIP in one file, .pt, .pth, .bin, .ckpt, .gguf or .safetensors. What its shapes do not show is taken from a
 * configuration beside it, else from the name of the file: see open-clip-config.ts.
 *
 * @param activation of both towers, where it is known
 * @throws UserError when the file is broken or holds no CLIP
 */
export async function openClipFile(
  path: string,
  { activation }: { activation?: 'quick_gelu' | 'gelu' } = {},
): Promise<ModelComponent> {
  const file = await openTensorFile(path);
  const weights = clipSource(file);
  const component = { name: places.basename(path), dir: path, weights };
  if (activation !== undefined) return { ...component, config: inferClipConfig(weights, activation) };
  const isOpenai = [...file.tensors.keys()].some((name) => OPENAI_NAMES.test(name));
  const stated = isOpenai ? undefined : await configBeside(path);
  if (stated !== undefined) return { ...component, config: stated };
  const settings = await openClipSettings(path);
  if (settings !== undefined) {
    return { ...component, config: inferClipConfig(weights, settings.activation, settings) };
  }
  const [width] = weights.get('vision_model.embeddings.patch_embedding.weight').shape;
  const guess = guessActivation(path, file.metadata.format, width >= WIDE);
  const config = inferClipConfig(weights, guess.activation);
  if (!guess.isAssumed) return { ...component, config };
  const name = guess.activation === 'gelu' ? 'GELU' : "OpenAI's quick GELU";
  return {
    ...component,
    config,
    notes: [
      `${component.name}: nothing says which activation this CLIP was trained with, ${name} is assumed; put its open_clip_config.json or config.json beside it to decide`,
    ],
  };
}
