/** @file Kinds of LoRA files, by the model that they belong to. Reference: the published files; diffusers, loaders/lora_conversion_utils.py */
import type { Names, Signature } from './signature.ts';
import { FAMILIES_IN_WORDS } from './supported.ts';

const OTHER_LORA = `use one for ${FAMILIES_IN_WORDS}`;

const LORA_PART =
  /(^|[._])(lora_(up|down|mid|A|B|embedding_[AB]|magnitude_vector)\b|lora[12]?\.(up|down)\.|to_(q|k|v|out)_lora\.|lora_linear_layer\.|hada_[wt][12]|lokr_[wt][12]|oft_blocks|oft_diag|oft_R|dora_scale|diff_b?$|w_norm|b_norm|on_input|ia3_l|a1\.weight$)|\.(diff|diff_b|w_norm|b_norm)$|(qkv|proj)_lora[12]?\.(up|down)\.|^(lora|lycoris)_(unet|te|transformer)/;
const isLora = (file: Names) => file.has(LORA_PART);

/** Blocks of BFL's names, or those of one sequence in diffusers' names. */
const FLUX_BLOCKS = /(^|[._])((double|single)_blocks|single_transformer_blocks)[._]/;

/** In the order in which they are tried. */
export const LORAS: readonly Signature[] = [
  {
    what: 'a LoRA for Flux with a control image (depth, canny), which is not supported',
    works: 'use one for Flux.1 without a control image',
    is: (file) =>
      isLora(file) && file.has(/(^|\.)double_blocks\./) && file.has(/_norm\.scale$/) && file.has(/lora_A/),
  },
  {
    what: 'a LoRA for FLUX.2, which is not supported',
    works: OTHER_LORA,
    is: (file) => isLora(file) && file.has(/to_qkv_mlp_proj|_stream_modulation/),
  },
  {
    what: 'a LoRA for Flux',
    works: 'give Flux.1 as the model, and this file as a LoRA',
    doors: ['lora'],
    is: (file) => isLora(file) && file.has(FLUX_BLOCKS),
  },
  {
    what: 'a LoRA for Qwen-Image, which is not supported',
    works: OTHER_LORA,
    is: (file) => isLora(file) && file.has(/transformer_blocks[._]\d+[._](img|txt)_(mod|mlp)[._]/),
  },
  {
    what: 'a LoRA for Stable Diffusion 3',
    works: 'give Stable Diffusion 3 or 3.5 as the model, and this file as a LoRA',
    doors: ['lora'],
    is: (file) => isLora(file) && file.has(/(^|[._])joint_blocks[._]/),
  },
  {
    what: 'a LoRA for Stable Diffusion 3 or Flux',
    works: 'give the model that it was made for, and this file as a LoRA',
    doors: ['lora'],
    is: (file) =>
      isLora(file) &&
      (file.has(
        /(^|[._])transformer_blocks[._]\d+[._](attn2?[._](to|add)_|ff(_context)?[._]net[._]|norm1)/,
      ) ||
        file.has(/^(lora_te3_|text_encoder_3\.)/)) &&
      !file.has(/((down|up)_blocks|mid_block|input_blocks|output_blocks|middle_block)[._]/),
  },
  {
    what: 'a LoRA for Stable Diffusion XL',
    works: OTHER_LORA,
    is: (file) =>
      isLora(file) &&
      (file.has(/^lora_te2_|(^|\.)text_encoder_2\.|^lora_unet_(add_embedding|label_emb)|(^|\.)clip_g\./) ||
        // Blocks of more than one layer, which no UNet of 1.x and 2.x has.
        file.has(
          /(down_blocks[._]\d|up_blocks[._]\d|mid_block|input_blocks[._]\d+[._]1|output_blocks[._]\d+[._]1|middle_block[._]1)([._]attentions[._]\d)?[._]transformer_blocks[._]1[._]/,
        )),
  },
  {
    what: 'a LoRA for a video model or another diffusion transformer',
    works: OTHER_LORA,
    is: (file) =>
      isLora(file) &&
      file.has(
        /motion_modules|(^|[._])(blocks|layers|transformer_blocks|temporal_transformer_blocks)[._]\d+[._](self_attn|cross_attn|attn\d?|attention|ffn?)[._]/,
      ) &&
      !file.has(/(down|up)_blocks[._]|mid_block|(input|output|middle)_block|text_model|encoder[._]layers/),
  },
  {
    what: 'a LoRA for the motion modules of AnimateDiff',
    works: 'give the model and its motion adapter, and this file as a LoRA',
    doors: ['lora'],
    is: (file) => isLora(file) && file.has(/motion_modules/),
  },
  {
    what: 'a LoRA, which changes a model',
    works: 'give the model itself, and this file as a LoRA',
    doors: ['lora'],
    is: isLora,
  },
];
