/**
 * @file What a model is by its configuration files, so that one that is not supported is called by its name.
 *
 * Reference: the `_class_name` of diffusers' pipelines and models, `model_type` and `architectures` of transformers
 */
import { UserError } from '../../errors.ts';
import type { Config } from '../sources/read-config.ts';
import { USE_A_MODEL } from './supported.ts';

interface Known {
  readonly what: string;
  readonly works: string;
}

const OTHER: Pick<Known, 'works'> = { works: USE_A_MODEL };

const FLUX: Pick<Known, 'works'> = { works: 'use Flux.1 dev or schnell' };

/** Pipelines by the `_class_name` of `model_index.json`, first match first. */
const PIPELINES: readonly (readonly [RegExp, Known])[] = [
  [/ControlNet/, { what: 'a pipeline with a ControlNet', ...OTHER }],
  [/XL/, { what: 'Stable Diffusion XL', ...OTHER }],
  [/^Flux(Fill|Control|Inpaint)/, { what: 'Flux with a picture as part of its prompt', ...FLUX }],
  [/^FluxKontext/, { what: 'Flux Kontext, which edits pictures', ...FLUX }],
  [/^FluxPriorRedux/, { what: 'Flux Redux, whose prompt is an image', ...FLUX }],
  [/^Flux[23]/, { what: 'FLUX.2 or a later Flux', ...OTHER }],
  [/UnCLIP|ImageVariation|Kandinsky/i, { what: 'an unCLIP model (its prompt is an image)', ...OTHER }],
  [/Wuerstchen|StableCascade/, { what: 'Stable Cascade', ...OTHER }],
  [
    /^IF(Pipeline|Img2Img|Inpainting|Super)/,
    { what: 'DeepFloyd IF, a model without an autoencoder', ...OTHER },
  ],
  [/AnimateDiff(?!Pipeline$)|Video|^Wan|^LTX|CogVideo|Mochi|^I2VGen/, { what: 'a video model', ...OTHER }],
  [/Audio|MusicLDM|Music/, { what: 'a model for sound', ...OTHER }],
  [/Upscale/, { what: 'an upscaler', ...OTHER }],
  [/InstructPix2Pix/, { what: 'a model that follows instructions (InstructPix2Pix)', ...OTHER }],
  [/Depth2Img/, { what: 'a model with a depth map', ...OTHER }],
  [/AltDiffusion/, { what: 'AltDiffusion, whose text encoder is not a CLIP', ...OTHER }],
  [
    /PixArt|Hunyuan|Sana|AuraFlow|Lumina|QwenImage|ZImage|Chroma|HiDream|OmniGen|^DiT|CogView|Allegro|Bria|Kolors/,
    { what: 'a diffusion transformer or another large model', ...OTHER },
  ],
];

const VAE = { works: 'use an AutoencoderKL, such as vae/ of the model or sd-vae-ft-mse' };

/** Networks by the `_class_name` of diffusers. */
const CLASSES: Readonly<Record<string, Known>> = {
  AutoencoderTiny: { what: 'a tiny autoencoder (TAESD)', ...VAE },
  AsymmetricAutoencoderKL: { what: 'an asymmetric autoencoder', ...VAE },
  AutoencoderKLTemporalDecoder: { what: 'the autoencoder of a video model', ...VAE },
  AutoencoderDC: { what: 'the autoencoder of Sana', ...VAE },
  AutoencoderKLQwenImage: { what: 'the autoencoder of Qwen-Image', ...VAE },
  AutoencoderKLWan: { what: 'the autoencoder of Wan', ...VAE },
  ConsistencyDecoderVAE: { what: 'a consistency decoder', ...VAE },
  VQModel: { what: 'an autoencoder with a codebook', ...VAE },
  ControlNetModel: { what: 'a ControlNet', works: 'use the model alone' },
  T2IAdapter: { what: 'a T2I-Adapter', works: 'use the model alone' },
  MotionAdapter: {
    what: 'a motion adapter of AnimateDiff',
    works: 'give it as the motion adapter of a model (--motion)',
  },
  UNet3DConditionModel: { what: 'a UNet for video', ...OTHER },
  UNetSpatioTemporalConditionModel: { what: 'Stable Video Diffusion', ...OTHER },
  UNet2DModel: { what: 'a UNet without a prompt', ...OTHER },
  PriorTransformer: { what: 'the prior of an unCLIP model', ...OTHER },
  SD3ControlNetModel: { what: 'a ControlNet of Stable Diffusion 3', works: 'use the model alone' },
  FluxControlNetModel: { what: 'a ControlNet of Flux', works: 'use the model alone' },
  Flux2Transformer2DModel: { what: 'the transformer of FLUX.2', ...OTHER },
  QwenImageTransformer2DModel: { what: 'the transformer of Qwen-Image', ...OTHER },
  ZImageTransformer2DModel: { what: 'the transformer of Z-Image', ...OTHER },
  SanaTransformer2DModel: { what: 'the transformer of SANA', ...OTHER },
  Transformer2DModel: { what: 'a diffusion transformer (DiT, PixArt)', ...OTHER },
  PixArtTransformer2DModel: { what: 'a diffusion transformer (PixArt)', ...OTHER },
  StableCascadeUNet: { what: 'Stable Cascade', ...OTHER },
};

/** The class that a network of a role has, where other roles are told what it is. */
const OWN_CLASS: Readonly<Record<string, string>> = { motion_adapter: 'MotionAdapter' };

/** Channels of the UNet's input, for models that take more than a latent. */
const CHANNELS: Readonly<Record<number, Known>> = {
  5: { what: 'a model with a depth map (5 input channels)', ...OTHER },
  7: { what: 'an upscaler (7 input channels)', ...OTHER },
  8: { what: 'a model that follows instructions (InstructPix2Pix, 8 input channels)', ...OTHER },
};

function knownUNet(config: Config): Known | undefined {
  const { addition_embed_type: added, class_embed_type: classes, in_channels: channels } = config;
  if (added === 'text_time') return { what: 'the UNet of Stable Diffusion XL', ...OTHER };
  if (added === 'image' || added === 'text_image' || added === 'image_hint') {
    return { what: 'the UNet of Kandinsky', ...OTHER };
  }
  if (added === 'text') return { what: 'the UNet of DeepFloyd IF', ...OTHER };
  if (classes === 'projection' && channels === 4) {
    return { what: 'the UNet of an unCLIP model (its prompt is an image)', ...OTHER };
  }
  return typeof channels === 'number' ? CHANNELS[channels] : undefined;
}

/** Channels of a token of Flux that sees more than a latent: an inpainted picture with its mask, or a control image. */
const FLUX_CHANNELS: readonly unknown[] = [96, 128, 384];

function knownTransformer({ _class_name: name, in_channels: channels }: Config): Known | undefined {
  return name === 'FluxTransformer2DModel' && FLUX_CHANNELS.includes(channels)
    ? { what: `Flux with a picture as part of its prompt (${channels} input channels)`, ...FLUX }
    : undefined;
}

/** Text and image encoders by the `model_type` of transformers. */
const TYPES: Readonly<Record<string, Known>> = {
  roberta_series: { what: 'the text encoder of AltDiffusion', ...OTHER },
  'xlm-roberta': { what: 'an XLM-RoBERTa text encoder', ...OTHER },
  bert: { what: 'a BERT text encoder', ...OTHER },
  siglip: { what: 'a SigLIP', works: 'use a CLIP with a vision transformer, such as ViT-B/32' },
  siglip2: { what: 'a SigLIP', works: 'use a CLIP with a vision transformer, such as ViT-B/32' },
  align: { what: 'an ALIGN', works: 'use a CLIP with a vision transformer, such as ViT-B/32' },
  altclip: { what: 'an AltCLIP', works: 'use a CLIP with a vision transformer, such as ViT-B/32' },
  chinese_clip: { what: 'a Chinese-CLIP', works: 'use a CLIP with a vision transformer, such as ViT-B/32' },
  blip: { what: 'a BLIP', works: 'use a CLIP with a vision transformer, such as ViT-B/32' },
  clip_vision_model: { what: 'the image tower of a CLIP alone', works: 'give a whole CLIP' },
};

function knownNetwork(role: string, config: Config): Known | undefined {
  const { _class_name: name, model_type: type, quantization_config: quantised } = config;
  if (typeof quantised === 'object' && quantised !== null) {
    const { quant_method: method = 'an unknown program' } = quantised as Config;
    return {
      what: `quantised by ${String(method).slice(0, 40)}`,
      works: 'use the float16 folder of the model',
    };
  }
  if (typeof name === 'string' && Object.hasOwn(CLASSES, name) && name !== OWN_CLASS[role])
    return CLASSES[name];
  if (role === 'unet' && typeof name === 'string' && name.includes('Transformer')) {
    return {
      what: 'a diffusion transformer in the place of a UNet',
      works: 'put it into the folder transformer',
    };
  }
  if (role === 'unet') return knownUNet(config);
  if (role === 'transformer') return knownTransformer(config);
  if (role === 'text_encoder' && type === 't5') {
    return { what: 'a T5 as the first text encoder (of PixArt or a like model)', ...OTHER };
  }
  if (typeof type === 'string' && Object.hasOwn(TYPES, type)) return TYPES[type];
  if (role.startsWith('clip') && type === 'clip_text_model') {
    return { what: "a CLIP's text encoder alone", works: 'give a whole CLIP, with its image tower' };
  }
  return undefined;
}

const refuse = (path: string, { what, works }: Known): never => {
  throw new UserError(`${path}: ${what}, which is not supported; ${works}`);
};

/** Refuses a pipeline that is known to be of another family. @throws UserError that says what it is */
export function refusePipeline(path: string, { _class_name: name }: Config): void {
  if (typeof name !== 'string') return;
  const [, known] = PIPELINES.find(([pattern]) => pattern.test(name)) ?? [];
  if (known !== undefined) refuse(path, { ...known, what: `${known.what} (${name.slice(0, 60)})` });
}

/**
 * Refuses the configuration of a network that is known not to be read.
 *
 * @param role the network's place in a model: `unet`, `vae`, `text_encoder`, or one of `CLIP_NETWORKS`
 * @throws UserError that says what it is and what would work
 */
export function refuseConfig(role: string, path: string, config: Config): void {
  const known = knownNetwork(role, config);
  if (known !== undefined) refuse(path, known);
}

/** Parameters of diffusers' classes, by the role of a network or its class: what their `config.json` may hold. */
const KEYS: Readonly<Record<string, readonly string[]>> = {
  unet: [
    'sample_size',
    'in_channels',
    'out_channels',
    'center_input_sample',
    'flip_sin_to_cos',
    'freq_shift',
    'down_block_types',
    'mid_block_type',
    'up_block_types',
    'only_cross_attention',
    'block_out_channels',
    'layers_per_block',
    'downsample_padding',
    'mid_block_scale_factor',
    'dropout',
    'act_fn',
    'norm_num_groups',
    'norm_eps',
    'cross_attention_dim',
    'transformer_layers_per_block',
    'reverse_transformer_layers_per_block',
    'encoder_hid_dim',
    'encoder_hid_dim_type',
    'attention_head_dim',
    'num_attention_heads',
    'dual_cross_attention',
    'use_linear_projection',
    'class_embed_type',
    'addition_embed_type',
    'addition_time_embed_dim',
    'num_class_embeds',
    'upcast_attention',
    'resnet_time_scale_shift',
    'resnet_skip_time_act',
    'resnet_out_scale_factor',
    'time_embedding_type',
    'time_embedding_dim',
    'time_embedding_act_fn',
    'timestep_post_act',
    'time_cond_proj_dim',
    'conv_in_kernel',
    'conv_out_kernel',
    'projection_class_embeddings_input_dim',
    'attention_type',
    'class_embeddings_concat',
    'mid_block_only_cross_attention',
    'cross_attention_norm',
    'addition_embed_type_num_heads',
  ],
  vae: [
    'in_channels',
    'out_channels',
    'down_block_types',
    'up_block_types',
    'block_out_channels',
    'layers_per_block',
    'act_fn',
    'latent_channels',
    'norm_num_groups',
    'sample_size',
    'scaling_factor',
    'shift_factor',
    'latents_mean',
    'latents_std',
    'force_upcast',
    'use_quant_conv',
    'use_post_quant_conv',
    'mid_block_add_attention',
  ],
  motion_adapter: [
    'block_out_channels',
    'motion_layers_per_block',
    'motion_transformer_layers_per_block',
    'motion_mid_block_layers_per_block',
    'motion_transformer_layers_per_mid_block',
    'motion_num_attention_heads',
    'motion_norm_num_groups',
    'motion_max_seq_length',
    'use_motion_mid_block',
    'conv_in_channels',
  ],
  UNetMotionModel: [
    'sample_size',
    'in_channels',
    'out_channels',
    'down_block_types',
    'up_block_types',
    'block_out_channels',
    'layers_per_block',
    'downsample_padding',
    'mid_block_scale_factor',
    'act_fn',
    'norm_num_groups',
    'norm_eps',
    'cross_attention_dim',
    'transformer_layers_per_block',
    'reverse_transformer_layers_per_block',
    'temporal_transformer_layers_per_block',
    'reverse_temporal_transformer_layers_per_block',
    'transformer_layers_per_mid_block',
    'temporal_transformer_layers_per_mid_block',
    'use_linear_projection',
    'num_attention_heads',
    'motion_max_seq_length',
    'motion_num_attention_heads',
    'reverse_motion_num_attention_heads',
    'use_motion_mid_block',
    'mid_block_layers',
    'encoder_hid_dim',
    'encoder_hid_dim_type',
    'addition_embed_type',
    'addition_time_embed_dim',
    'projection_class_embeddings_input_dim',
    'time_cond_proj_dim',
  ],
};

/** Lines for the user about keys that diffusers does not know and ignores, as is done here. */
export function unknownKeys(role: string, path: string, config: Config): string[] {
  const kind = config._class_name === 'UNetMotionModel' ? config._class_name : role;
  const known = Object.hasOwn(KEYS, kind) ? KEYS[kind] : undefined;
  if (known === undefined) return [];
  return Object.entries(config)
    .filter(([key, value]) => !key.startsWith('_') && value !== null && !known.includes(key))
    .map(
      ([key]) =>
        `${path}: the key ${JSON.stringify(key.slice(0, 60))} is not one of diffusers and has no effect`,
    );
}
