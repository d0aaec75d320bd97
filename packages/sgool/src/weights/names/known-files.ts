/**
 * @file What a file of tensors is, by the names and shapes in it, so that one that was given in the wrong place, or that no
 * network here reads, is called by its name.
 *
 * Reference: the published files; ComfyUI, comfy/model_detection.py; diffusers, loaders/single_file_utils.py
 * (CHECKPOINT_KEY_NAMES, infer_diffusers_model_type); A1111, modules/textual_inversion
 */
import { UserError } from '../../errors.ts';
import type { TensorFile } from '../formats/weight-source.ts';
import { LORAS } from './known-loras.ts';
import { TRANSFORMERS } from './known-transformers.ts';
import { type Door, Names, type Signature } from './signature.ts';
import { FAMILIES_IN_WORDS, USE_A_MODEL } from './supported.ts';

/** What is expected there. */
const EXPECTED: Readonly<Record<Door, string>> = {
  model: `a checkpoint of ${FAMILIES_IN_WORDS}`,
  lora: `a LoRA for ${FAMILIES_IN_WORDS}`,
  embedding: 'an embedding (textual inversion) for Stable Diffusion 1.x or 2.x',
  clip: 'a CLIP',
  vae: `an autoencoder of ${FAMILIES_IN_WORDS}`,
  unet: 'a UNet of Stable Diffusion 1.x or 2.x',
  transformer: 'a transformer of Stable Diffusion 3 or 3.5, or Flux.1',
  text_encoder: `a text encoder of ${FAMILIES_IN_WORDS}`,
  motion: 'a motion adapter of AnimateDiff for Stable Diffusion 1.x',
};

const LDM_INPUT = /^(model\.diffusion_model\.input_blocks\.0\.0|conv_in)\.weight$/;
/** One vector or a few, of the width of a published text encoder. */
const isWord = (shape: readonly number[]) =>
  (shape.length === 1 || shape.length === 2) && [768, 1024, 1280].includes(shape.at(-1) ?? 0);
const isUNet = (file: Names) =>
  file.has(/^model\.diffusion_model\.input_blocks\.|^down_blocks\.0\.(resnets|attentions)\./);
const channels = (file: Names) => (isUNet(file) ? file.shape(LDM_INPUT)?.[1] : undefined);
const latentChannels = (file: Names) =>
  file.shape(/^((first_stage_model|vae)\.)?decoder\.conv_in\.weight$/)?.[1];

/** In the order in which they are tried: what contains another comes first. */
const SIGNATURES: readonly Signature[] = [
  ...LORAS,
  // Small files that belong to a prompt or to a network.
  {
    what: 'a textual inversion (the embedding of a word of the prompt)',
    works: 'give it with --embedding, and its word in the prompt',
    doors: ['embedding'],
    is: (file) =>
      file.has(/^(emb_params|string_to_param(\..*)?|clip_[lg])$|^<.+>$/) ||
      (file.names.length === 1 &&
        file.shapes().every((shape) => isWord(shape) && file.has(/^(?!weight$|bias$)[^.]+$/))),
  },
  {
    what: 'a SparseCtrl network of AnimateDiff, which is not supported',
    works: 'use the motion adapter alone',
    is: (file) => file.has(/motion_modules\./) && file.has(/(input_hint_block|controlnet_cond_embedding)\./),
  },
  {
    what: 'motion modules of AnimateDiff',
    works: 'give it as the motion adapter of a model (--motion)',
    // Beside the weights of a UNet they are those of a UNetMotionModel.
    doors: ['motion', 'unet'],
    is: (file) => file.has(/motion_modules\.|temporal_transformer\./),
  },
  {
    what: 'a ControlNet, which is not supported',
    works: 'use the model alone',
    is: (file) => file.has(/input_hint_block\.|controlnet_cond_embedding\.|^control_model\.|^zero_convs\./),
  },
  {
    what: 'a T2I-Adapter, which is not supported',
    works: 'use the model alone',
    is: (file) => file.has(/^(adapter\.)?body\.\d+\.(resnets|block1|in_conv)/),
  },
  {
    what: 'an IP-Adapter, which is not supported',
    works: 'use the model alone',
    is: (file) => file.has(/^(image_proj|ip_adapter)\./),
  },
  // Other models.
  ...TRANSFORMERS,
  {
    what: 'an unCLIP model (its prompt is an image), which is not supported',
    works: 'use a 1.x or 2.x model for text',
    is: (file) => file.has(/^(noise_augmentor|embedder\.model\.visual)\./),
  },
  {
    what: 'Stable Diffusion XL, which is not supported',
    works: USE_A_MODEL,
    is: (file) =>
      file.has(/^conditioner\.embedders\.1\.|^model\.diffusion_model\.label_emb\.|^add_embedding\./),
  },
  {
    what: 'Stable Cascade, which is not supported',
    works: USE_A_MODEL,
    is: (file) => file.has(/clip_txt_mapper|clip_txt_pooled_mapper/),
  },
  {
    what: 'a model that follows instructions (InstructPix2Pix, 8 input channels), which is not supported',
    works: 'use a plain 1.x or 2.x model',
    is: (file) => channels(file) === 8,
  },
  {
    what: 'an upscaler (7 input channels), which is not supported',
    works: 'use a plain 1.x or 2.x model',
    is: (file) => channels(file) === 7,
  },
  {
    what: 'a model with a depth map (5 input channels), which is not supported',
    works: 'use a plain 1.x or 2.x model',
    is: (file) => channels(file) === 5,
  },
  {
    what: 'a Stable Diffusion checkpoint',
    works: 'give it as the model',
    doors: ['model', 'vae'],
    is: (file) => file.has(/^model\.diffusion_model\./),
  },
  {
    what: 'a UNet with the names of diffusers, a single network',
    works: 'put it into a model folder, beside its config.json',
    doors: ['unet'],
    is: (file) => file.has(/^down_blocks\.0\./) && file.has(/^(time_embedding|mid_block|conv_in)\./),
  },
  // Autoencoders.
  {
    what: 'a tiny autoencoder (TAESD, AutoencoderTiny), which is not supported',
    works: 'use an AutoencoderKL, such as vae/ of the model or sd-vae-ft-mse',
    is: (file) =>
      file.has(/^(encoder|decoder)\.layers\.\d+\.(conv\.\d+\.)?(weight|bias)$/) ||
      (file.all(/^(encoder\.|decoder\.)?\d+\./) && file.has(/^(encoder\.|decoder\.)?\d+\.conv\.0\.weight$/)),
  },
  {
    what: 'an autoencoder with a codebook (VQModel), which is not supported',
    works: 'use an AutoencoderKL',
    is: (file) => file.has(/(^|\.)quantize\.embedding\.weight$/),
  },
  {
    what: 'the decoder of a video model, which is not supported',
    works: 'use an AutoencoderKL for images',
    is: (file) => file.has(/time_conv_out|temporal_res_block|time_mix_conv/),
  },
  {
    what: 'an autoencoder of Flux or Stable Diffusion 3 (16 latent channels)',
    works: 'give it as the VAE of one of them',
    doors: ['vae'],
    is: (file) => latentChannels(file) === 16,
  },
  {
    what: 'an autoencoder, not a whole model',
    works: 'give it as the VAE of one',
    doors: ['vae'],
    is: (file) => latentChannels(file) !== undefined || file.has(/^(first_stage_model\.)?encoder\.down/),
  },
  // Text and image encoders.
  {
    what: 'a CLIP, not a whole model',
    works: 'give it as the CLIP of one',
    doors: ['clip', 'text_encoder'],
    is: (file) =>
      file.has(/^(visual\.|vision_model\.)/) && file.has(/^(text_model|transformer)\.|^text_projection/),
  },
  {
    what: 'the image tower of a CLIP alone',
    works: 'give a whole CLIP, with its text tower',
    is: (file) => file.has(/^(visual\.|vision_model\.)/),
  },
  {
    what: "a CLIP's text encoder alone",
    works:
      'give it as a text encoder of Stable Diffusion 3 or Flux, or put it into the folder text_encoder of a model, beside its config.json',
    doors: ['text_encoder'],
    is: (file) => file.has(/^(text_model\.)?encoder\.layers\.\d+\.self_attn\.|^text_model\.embeddings\./),
  },
  {
    what: 'a T5 text encoder (of Stable Diffusion 3, Flux or PixArt)',
    works: 'give it as a text encoder of Stable Diffusion 3 or Flux',
    doors: ['text_encoder'],
    is: (file) => file.has(/(^|\.)encoder\.block\.0\.layer\.0\.SelfAttention\./),
  },
  {
    what: "a UNet with LDM's names, a single network",
    works: 'give a whole checkpoint, with its text encoder and autoencoder',
    is: (file) => file.has(/^(input_blocks\.\d+\.0|middle_block\.0)\./),
  },
  {
    what: 'a language model',
    works: USE_A_MODEL,
    is: (file) =>
      file.has(
        /^(token_embd\.weight|blk\.0\.attn_q\.weight|(model\.)?layers\.0\.self_attn\.q_proj\.weight)$/,
      ),
  },
  {
    what: 'an upscaler of images (ESRGAN), which is not a diffusion model',
    works: USE_A_MODEL,
    is: (file) => file.has(/^(model\.0\.weight|model\.1\.sub\.|conv_first\.weight|RRDB_trunk\.)/),
  },
];

/** What a file is and what would work, or undefined where the table does not know it. */
export function describeFile(
  file: Pick<TensorFile, 'tensors'>,
): { readonly what: string; readonly works: string; readonly doors: readonly Door[] } | undefined {
  const names = new Names(file);
  const found = SIGNATURES.find((signature) => signature.is(names));
  return found && { what: found.what, works: found.works, doors: found.doors ?? [] };
}

/**
 * Refuses a file that is known to be something else than what is read here; a file that is not known passes.
 *
 * @throws UserError that says what it is and what would work
 */
export function refuseAs(door: Door, file: Pick<TensorFile, 'path' | 'tensors'>): void {
  const found = describeFile(file);
  if (found === undefined || found.doors.includes(door)) return;
  throw new UserError(`${file.path}: not ${EXPECTED[door]}: it is ${found.what}; ${found.works}`);
}
