/**
 * @file What each number in a `config.json` may be. A file comes from anywhere, and a number in it decides how much is allocated
 * and for how long a network is traced, so each has a limit well above what any published model of its kind has, and far below
 * what hurts.
 */
import { z } from 'zod';

/** A range of numbers, its ends included. */
export interface Limit {
  readonly min: number;
  readonly max: number;
  /** Whether only whole numbers are meant. */
  readonly isWhole: boolean;
  /** Why the range is so: what published models have. */
  readonly why: string;
}

const whole = (min: number, max: number, why: string): Limit => ({ min, max, isWhole: true, why });
const real = (min: number, max: number, why: string): Limit => ({ min, max, isWhole: false, why });

/** The limits by the key of the configuration; a key means the same in every file that has it. */
export const LIMITS = {
  // Transformers: text encoders, CLIP, BLIP, TranSalNet.
  hidden_size: whole(1, 8192, 'CLIP bigG has 1664, T5-XXL 4096'),
  hidden_sizes: whole(1, 8192, 'TranSalNet has 768'),
  intermediate_size: whole(1, 32_768, 'CLIP bigG has 8192'),
  projection_dim: whole(1, 8192, 'CLIP bigG has 1280'),
  num_hidden_layers: whole(1, 128, 'CLIP bigG has 48'),
  transformer_layers: whole(1, 128, 'TranSalNet has 2'),
  num_attention_heads: whole(1, 256, 'CLIP bigG has 20'),
  heads: whole(1, 256, 'TranSalNet has 12'),
  mlp_ratio: whole(1, 16, 'TranSalNet has 4'),
  vocab_size: whole(1, 1_000_000, 'CLIP has 49408, multilingual encoders 250002'),
  max_position_embeddings: whole(
    2,
    4096,
    'CLIP has 77, Long-CLIP 248, BERT 512; 2 are the start and the end',
  ),
  max_length: whole(3, 4096, 'ImageReward reads 35'),
  layer_norm_eps: real(1e-15, 0.1, 'BERT has 1e-12, CLIP 1e-5; less than 1e-15 is lost in float32'),

  eos_token_id: whole(0, 999_999, 'CLIP has 49407, in older files 2'),

  // T5.
  d_model: whole(1, 8192, 'T5-XXL has 4096'),
  d_kv: whole(1, 512, 'T5-XXL has 64'),
  d_ff: whole(1, 131_072, 'T5-XXL has 10240, the first T5 of 11 billion weights 65536'),
  num_heads: whole(1, 256, 'T5-XXL has 64'),
  relative_attention_num_buckets: whole(4, 4096, 'T5 has 32; each direction needs 2'),
  relative_attention_max_distance: whole(2, 1_000_000, 'T5 has 128'),
  layer_norm_epsilon: real(1e-15, 0.1, 'T5 has 1e-6; less than 1e-15 is lost in float32'),

  // Images.
  image_size: whole(1, 1024, 'CLIP has 224 to 448, TranSalNet 384'),
  patch_size: whole(1, 256, 'CLIP has 14 to 32'),
  num_channels: whole(3, 3, 'images are red, green and blue'),

  // Convolutional networks: UNets, autoencoders, TranSalNet.
  in_channels: whole(1, 128, 'latents have 4 to 32 channels, the inpainting UNet 9'),
  out_channels: whole(1, 128, 'latents have 4 to 32 channels'),
  latent_channels: whole(1, 128, 'latents have 4 to 32 channels'),
  block_out_channels: whole(4, 8192, 'Stable Diffusion has 1280, XL as well'),
  layers_per_block: whole(1, 16, 'Stable Diffusion has 2'),
  transformer_layers_per_block: whole(1, 64, 'Stable Diffusion has 1, XL 10'),
  attention_head_dim: whole(1, 256, 'Stable Diffusion has 8 to 20 heads'),
  cross_attention_dim: whole(1, 8192, 'Stable Diffusion has 768 and 1024, XL 2048'),
  time_cond_proj_dim: whole(4, 4096, 'latent consistency models have 256; an embedding needs 4'),
  norm_num_groups: whole(1, 256, 'Stable Diffusion has 32'),
  norm_eps: real(1e-15, 0.1, 'Stable Diffusion has 1e-5; less than 1e-15 is lost in float32'),
  freq_shift: real(0, 1, 'Stable Diffusion has 0, DDPM 1'),
  motion_layers_per_block: whole(1, 16, 'AnimateDiff has 2'),
  motion_transformer_layers_per_block: whole(1, 64, 'AnimateDiff has 1'),
  motion_mid_block_layers_per_block: whole(
    1,
    1,
    'the middle block of a UNet has one place for a motion module',
  ),
  motion_transformer_layers_per_mid_block: whole(1, 64, 'AnimateDiff has 1'),
  motion_num_attention_heads: whole(1, 256, 'AnimateDiff has 8'),
  motion_norm_num_groups: whole(1, 256, 'AnimateDiff has 32'),
  motion_max_seq_length: whole(1, 4096, 'AnimateDiff has 24 and 32'),
  sample_size: whole(1, 256, 'Stable Diffusion has 64 and 96, XL 128'),
  scaling_factor: real(0.001, 100, 'autoencoders have 0.13 to 1.53'),
  shift_factor: real(-100, 100, 'autoencoders have up to 0.12'),
  base_width: whole(1, 1024, 'DenseNet-161 has 96'),
  stage_layers: whole(1, 64, 'DenseNet-161 and ResNet-152 have 36'),
  growth_rate: whole(1, 512, 'DenseNet-161 has 48'),
  decoder_widths: whole(1, 8192, 'TranSalNet has 256'),

  // Transformers of rectified flows: Stable Diffusion 3, Flux.
  num_layers: whole(1, 128, 'Stable Diffusion 3.5 large has 38, Flux 19, T5-XXL 24'),
  num_single_layers: whole(0, 128, 'Flux has 38'),
  dual_attention_layers: whole(0, 127, 'Stable Diffusion 3.5 medium has 0 to 12'),
  joint_attention_dim: whole(1, 8192, 'T5-XXL has 4096'),
  caption_projection_dim: whole(1, 8192, 'Stable Diffusion 3.5 large has 2432'),
  pooled_projection_dim: whole(1, 8192, 'Stable Diffusion 3 has 2048, Flux 768'),
  pos_embed_max_size: whole(1, 1024, 'Stable Diffusion 3.5 medium has 384'),
  axes_dims_rope: whole(2, 256, 'Flux has 16 and 56'),

  // ImageReward's head.
  mlp: whole(1, 8192, 'ImageReward has 1024'),
  reward_mean: real(-1e6, 1e6, 'ImageReward has 0.17'),
  reward_std: real(1e-6, 1e6, 'ImageReward has 1.03'),
} as const satisfies Readonly<Record<string, Limit>>;

export type LimitedKey = keyof typeof LIMITS;

/** Most blocks of a UNet or an autoencoder: Stable Diffusion's have 4, each of which halves the sides. */
export const MOST_BLOCKS = 6;

/** Most layers that a list may name. */
export const MOST_LAYERS = 128;

/** Most patches of an image and most layers of attention in a UNet: their products are what takes memory and time. */
export const PRODUCTS = {
  /** (image_size / patch_size)²; CLIP at 448 pixels has 1024. */
  patches: 4096,
  /** transformer_layers_per_block, over all layers of all blocks; Stable Diffusion XL has 70. */
  attentionLayers: 512,
} as const;

/** What a value of a key must be, in words. */
export function describeLimit(key: LimitedKey): string {
  const { min, max, isWhole, why }: Limit = LIMITS[key];
  if (min === max) return `must be ${min} (${why})`;
  return `must be a ${isWhole ? 'whole ' : ''}number from ${min} to ${max} (${why})`;
}

/** The schema of a number by its key. */
export function limited(key: LimitedKey) {
  const { min, max, isWhole }: Limit = LIMITS[key];
  const error = describeLimit(key);
  const number = z.number({ error }).min(min, { error }).max(max, { error });
  return isWhole ? number.int({ error }) : number;
}
