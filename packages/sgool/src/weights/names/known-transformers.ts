/**
 * @file Kinds of files of diffusion transformers. Many share names of blocks, so the order matters.
 *
 * Reference: the published files; ComfyUI, comfy/model_detection.py; diffusers, loaders/single_file_utils.py (CHECKPOINT_KEY_NAMES)
 */
import type { Names, Signature } from './signature.ts';
import { USE_A_MODEL } from './supported.ts';

const ALONE = 'use the model alone';

/** Channels of a token of Flux's input: 64 for text alone. */
const fluxChannels = (file: Names) =>
  file.shape(/^(model\.diffusion_model\.)?(img_in|x_embedder)\.weight$/)?.[1];

/** A transformer that is not read, by names that no other has. */
const other = (name: string, pattern: RegExp): Signature => ({
  what: `${name}, which is not supported`,
  works: USE_A_MODEL,
  is: (file) => file.has(pattern),
});

/** In the order in which they are tried. */
export const TRANSFORMERS: readonly Signature[] = [
  {
    what: 'a ControlNet of Flux or Stable Diffusion 3, which is not supported',
    works: ALONE,
    is: (file) =>
      file.has(
        /^(controlnet_blocks|controlnet_x_embedder|controlnet_mode_embedder|controlnet_single_blocks)\./,
      ),
  },
  {
    what: 'Flux Redux, whose prompt is an image, which is not supported',
    works: 'use Flux.1 dev or schnell',
    is: (file) => file.has(/^(redux_up|redux_down)\.weight$/),
  },
  other('HunyuanVideo', /(^|\.)txt_in\.individual_token_refiner\./),
  other('FLUX.2', /(^|\.)(single_stream_modulation|double_stream_modulation_(img|txt))\./),
  other('FLUX.3', /(^|\.)early_stream_modulations\./),
  other('Chroma', /(^|\.)distilled_guidance_layer\./),
  other('AuraFlow', /(^|\.)(double_layers\.0\.attn|joint_transformer_blocks\.0)\./),
  other('HiDream', /(^|\.)double_stream_blocks\./),
  other('Z-Image or Lumina', /(^|\.)(cap_embedder|noise_refiner\.0|context_refiner\.0)\./),
  other('Qwen-Image', /(^|\.)(transformer_blocks\.0\.(img|txt)_mod|txt_in\.text_norm)\./),
  other(
    'SANA',
    /(^|\.)(blocks\.0\.cross_attn\.(q|kv)_linear|transformer_blocks\.0\.ff\.conv_inverted|caption_norm)\b/,
  ),
  other('PixArt', /(^|\.)(adaln_single\.|t_block\.1\.)/),
  {
    what: 'Flux with a picture as part of its prompt (Fill, Depth, Canny), which is not supported',
    works: 'use Flux.1 dev or schnell',
    is: (file) =>
      file.has(/(^|\.)(double_blocks|single_transformer_blocks)\.0\./) &&
      [96, 128, 384].includes(fluxChannels(file) ?? 0),
  },
  {
    what: 'Flux',
    works: 'give it as the model',
    doors: ['model', 'vae'],
    is: (file) => file.has(/^(model\.diffusion_model\.)?double_blocks\.0\./),
  },
  {
    what: 'the transformer of Flux with the names of diffusers',
    works: 'give it as the model, or put it into a model folder, beside its config.json',
    doors: ['model', 'transformer'],
    is: (file) => file.has(/^(model\.diffusion_model\.)?single_transformer_blocks\.0\./),
  },
  {
    what: 'Stable Diffusion 3 or 3.5',
    works: 'give it as the model',
    doors: ['model', 'vae'],
    is: (file) => file.has(/^(model\.diffusion_model\.)?joint_blocks\.0\./),
  },
  {
    what: 'the transformer of Stable Diffusion 3 or 3.5 with the names of diffusers',
    works: 'give it as the model, or put it into a model folder, beside its config.json',
    doors: ['model', 'transformer'],
    is: (file) =>
      file.has(/^(model\.diffusion_model\.)?transformer_blocks\.0\.attn\.add_q_proj\./) &&
      file.has(/^(model\.diffusion_model\.)?pos_embed\.pos_embed$/),
  },
  other('another transformer with joint attention', /(^|\.)transformer_blocks\.\d+\.attn\.add_/),
  {
    what: 'a diffusion transformer (Wan, Hunyuan or a like model), which is not supported',
    works: USE_A_MODEL,
    is: (file) =>
      file.has(/(^|\.)(blocks|transformer_blocks)\.0\.(self_attn|cross_attn|scale_shift_table|attn1)\b/) &&
      !file.has(/down_blocks\.|input_blocks\./),
  },
];
