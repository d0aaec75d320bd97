/** @file The public configurations of Toybox's networks: the architectures of Stable Diffusion 1.x and CLIP, narrow. */

import type { Tokenizer } from 'sgool/networks';
import { FRAMES } from '../world/moves.ts';

export const VAE_CONFIG = {
  _class_name: 'AutoencoderKL',
  _diffusers_version: '0.30.0',
  act_fn: 'silu',
  block_out_channels: [16, 32, 64, 64],
  down_block_types: ['DownEncoderBlock2D', 'DownEncoderBlock2D', 'DownEncoderBlock2D', 'DownEncoderBlock2D'],
  in_channels: 3,
  latent_channels: 4,
  layers_per_block: 1,
  norm_num_groups: 8,
  out_channels: 3,
  sample_size: 128,
  scaling_factor: 1,
  up_block_types: ['UpDecoderBlock2D', 'UpDecoderBlock2D', 'UpDecoderBlock2D', 'UpDecoderBlock2D'],
};

/** The autoencoder of toybox-flow: 16 channels, a shift, and no convolutions around the latent, as in Stable Diffusion 3. */
export const FLOW_VAE_CONFIG = {
  ...VAE_CONFIG,
  block_out_channels: [16, 32, 64, 96],
  latent_channels: 16,
  shift_factor: 0,
  use_post_quant_conv: false,
  use_quant_conv: false,
};

/** Tokens of a prompt, start and end included. Toybox's captions are short, and every token costs training time. */
export const MAX_TOKENS = 32;

export const UNET_CONFIG = {
  _class_name: 'UNet2DConditionModel',
  _diffusers_version: '0.30.0',
  act_fn: 'silu',
  attention_head_dim: 4,
  block_out_channels: [48, 96, 128],
  center_input_sample: false,
  cross_attention_dim: 128,
  // Attention at 8 x 8 and 4 x 4 only: at 16 x 16 it would cost as much as everything else together. A thing covers three cells
  // of the 8 x 8 grid, which is enough to bind words to places.
  down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D'],
  downsample_padding: 1,
  flip_sin_to_cos: true,
  freq_shift: 0,
  in_channels: 4,
  layers_per_block: 1,
  mid_block_scale_factor: 1,
  norm_eps: 1e-5,
  norm_num_groups: 16,
  out_channels: 4,
  sample_size: 16,
  up_block_types: ['CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'],
};

/** The motion modules over the UNet, and its numbers of blocks, channels and groups. */
export const MOTION_CONFIG = {
  _class_name: 'MotionAdapter',
  _diffusers_version: '0.30.0',
  block_out_channels: UNET_CONFIG.block_out_channels,
  conv_in_channels: null,
  motion_layers_per_block: UNET_CONFIG.layers_per_block,
  motion_max_seq_length: FRAMES,
  motion_mid_block_layers_per_block: 1,
  motion_norm_num_groups: UNET_CONFIG.norm_num_groups,
  motion_num_attention_heads: 4,
  motion_transformer_layers_per_block: 1,
  motion_transformer_layers_per_mid_block: 1,
  use_motion_mid_block: true,
};

export const SCHEDULER_CONFIG = {
  _class_name: 'DDIMScheduler',
  _diffusers_version: '0.30.0',
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  beta_start: 0.00085,
  clip_sample: false,
  num_train_timesteps: 1000,
  prediction_type: 'epsilon',
  set_alpha_to_one: false,
  steps_offset: 1,
  timestep_spacing: 'leading',
  trained_betas: null,
};

/**
 * A CLIPTextModel's configuration.
 *
 * @param vocabulary its last two entries are start and end
 * @param tokens of a prompt, start and end included
 */
export function textConfig(
  vocabulary: number,
  hidden: number,
  layers: number,
  heads: number,
  projection: number,
  tokens = MAX_TOKENS,
) {
  return {
    attention_dropout: 0,
    bos_token_id: vocabulary - 2,
    eos_token_id: vocabulary - 1,
    pad_token_id: vocabulary - 1,
    hidden_act: 'quick_gelu',
    hidden_size: hidden,
    intermediate_size: 4 * hidden,
    layer_norm_eps: 1e-5,
    max_position_embeddings: tokens,
    model_type: 'clip_text_model',
    num_attention_heads: heads,
    num_hidden_layers: layers,
    projection_dim: projection,
    vocab_size: vocabulary,
  };
}

/** The text encoder of the UNet. It has the shape of CLIP A's text tower, whose weights it starts from. */
export function textEncoderConfig({ vocabSize, startId, endId }: Tokenizer) {
  return {
    architectures: ['CLIPTextModel'],
    ...textConfig(vocabSize, CLIP_A.hidden, CLIP_A.textLayers, CLIP_A.heads, CLIP_A.hidden),
    bos_token_id: startId,
    eos_token_id: endId,
    pad_token_id: endId,
  };
}

export interface ClipSize {
  readonly hidden: number;
  readonly layers: number;
  readonly textLayers: number;
  readonly heads: number;
  readonly projection: number;
}

/** CLIP A guides; CLIP B, of another width and seed, only reports; CLIP C, of a third, selects and stops. */
export const CLIP_A: ClipSize = { hidden: 128, layers: 6, textLayers: 2, heads: 4, projection: 96 };
export const CLIP_B: ClipSize = { hidden: 112, layers: 5, textLayers: 2, heads: 4, projection: 64 };
export const CLIP_C: ClipSize = { hidden: 96, layers: 5, textLayers: 2, heads: 4, projection: 80 };

/** Tokens of a prompt of toybox-flow, start and end included. */
export const FLOW_TOKENS = 24;

/** The text towers of toybox-flow. The first starts from CLIP A's and has a layer more: Stable Diffusion 3 reads the last but one. */
const FLOW_TOWERS = {
  text_encoder: {
    hidden: CLIP_A.hidden,
    layers: CLIP_A.textLayers + 1,
    heads: 4,
    projection: CLIP_A.projection,
  },
  text_encoder_2: { hidden: 96, layers: 3, heads: 4, projection: 64 },
} as const;
export type FlowTower = keyof typeof FLOW_TOWERS;
export const FLOW_TOWER_NAMES = Object.keys(FLOW_TOWERS) as FlowTower[];
const FLOW_TOWER_SIZES = Object.values(FLOW_TOWERS);

/** A text encoder of toybox-flow. */
export function flowTextConfig(tower: FlowTower, { vocabSize, startId, endId }: Tokenizer) {
  const { hidden, layers, heads, projection } = FLOW_TOWERS[tower];
  return {
    architectures: ['CLIPTextModelWithProjection'],
    ...textConfig(vocabSize, hidden, layers, heads, projection, FLOW_TOKENS),
    bos_token_id: startId,
    eos_token_id: endId,
    pad_token_id: endId,
  };
}

const FLOW_HEADS = 4;
const FLOW_WIDTH = 128;

export const TRANSFORMER_CONFIG = {
  _class_name: 'SD3Transformer2DModel',
  _diffusers_version: '0.30.0',
  attention_head_dim: FLOW_WIDTH / FLOW_HEADS,
  caption_projection_dim: FLOW_WIDTH,
  dual_attention_layers: [],
  in_channels: 16,
  joint_attention_dim: FLOW_TOWER_SIZES.reduce((sum, { hidden }) => sum + hidden, 0),
  num_attention_heads: FLOW_HEADS,
  num_layers: 8,
  out_channels: 16,
  patch_size: 2,
  pooled_projection_dim: FLOW_TOWER_SIZES.reduce((sum, { projection }) => sum + projection, 0),
  pos_embed_max_size: 8,
  qk_norm: 'rms_norm',
  sample_size: 16,
};

export const FLOW_SCHEDULER_CONFIG = {
  _class_name: 'FlowMatchEulerDiscreteScheduler',
  _diffusers_version: '0.30.0',
  num_train_timesteps: 1000,
  shift: 1,
};

/** A CLIPModel's configuration. */
export function clipModelConfig(
  vocabulary: number,
  { hidden, layers, textLayers, heads, projection }: ClipSize,
): Record<string, unknown> {
  return {
    architectures: ['CLIPModel'],
    logit_scale_init_value: 2.6592,
    model_type: 'clip',
    projection_dim: projection,
    text_config: textConfig(vocabulary, hidden, textLayers, heads, projection),
    vision_config: {
      attention_dropout: 0,
      hidden_act: 'quick_gelu',
      hidden_size: hidden,
      image_size: 128,
      intermediate_size: 4 * hidden,
      layer_norm_eps: 1e-5,
      model_type: 'clip_vision_model',
      num_attention_heads: heads,
      num_channels: 3,
      num_hidden_layers: layers,
      patch_size: 16,
      projection_dim: projection,
    },
  };
}

/** TranSalNet_Res with an eighth of the area and a fraction of the width. */
export const TRANSALNET_CONFIG = {
  variant: 'res',
  image_size: [96, 128],
  base_width: 16,
  stage_layers: [1, 2, 2, 1],
  hidden_sizes: [96, 96, 64],
  heads: [4, 4, 2],
  transformer_layers: 2,
  decoder_widths: [32, 16, 16, 8],
};
