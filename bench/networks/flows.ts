/**
 * @file The networks of two rectified flows: Stable Diffusion 3.5 medium and Flux.1 schnell. Transformer and autoencoder have the published
 * shapes. The text encoders have their widths but one or two layers: they run once before the chain, and are not what is measured.
 *
 * Reference: the `config.json` files of stabilityai/stable-diffusion-3.5-medium and black-forest-labs/FLUX.1-schnell.
 */
import { input } from '@sgool/autodiff';
import {
  autoencoder,
  autoencoderConfig,
  clipTextConfig,
  fluxConfig,
  fluxTransformer,
  sd3Config,
  sd3Transformer,
  t5Config,
  t5Encoder,
  textEncoder,
} from 'sgool/networks';
import { type FullSizeModel, type NetworkFile, shapesOf } from './network-file.ts';
import { T5_VOCABULARY } from './t5-tokenizer.ts';
import { MAX_TOKENS, VOCABULARY } from './tokenizer.ts';

/** Of the text that both transformers read: the width of T5-XXL. */
const JOINT_WIDTH = 4096;
const CLIP_L = { width: 768, heads: 12, activation: 'quick_gelu' };
const CLIP_G = { width: 1280, heads: 20, activation: 'gelu' };

/** Stable Diffusion 3.5 medium without T5, as it is published for small machines: T5's place is zero. */
export function stableDiffusion35Medium(divisor: number): FullSizeModel {
  const width = 1536 / divisor;
  const pooled = (CLIP_L.width + CLIP_G.width) / divisor;
  const config = {
    _class_name: 'SD3Transformer2DModel',
    attention_head_dim: 64,
    caption_projection_dim: width,
    dual_attention_layers: Array.from({ length: 13 }, (_, layer) => layer),
    in_channels: 16,
    joint_attention_dim: JOINT_WIDTH / divisor,
    num_attention_heads: 24 / divisor,
    num_layers: 24,
    out_channels: 16,
    patch_size: 2,
    pooled_projection_dim: pooled,
    pos_embed_max_size: 384,
    qk_norm: 'rms_norm',
    sample_size: 128,
  };
  const transformer = transformerFile(config, (weights) => {
    const settings = sd3Config(config);
    sd3Transformer(settings, weights)(transformerInputs(16, settings.joint_attention_dim, pooled));
  });
  return {
    files: [
      transformer,
      autoencoderFile(divisor),
      clipFile('text_encoder', CLIP_L, divisor, true),
      clipFile('text_encoder_2', CLIP_G, divisor, true),
    ],
    documents: {
      'model_index.json': {
        _class_name: 'StableDiffusion3Pipeline',
        _diffusers_version: '0.31.0',
        scheduler: ['diffusers', 'FlowMatchEulerDiscreteScheduler'],
        text_encoder: ['transformers', 'CLIPTextModelWithProjection'],
        text_encoder_2: ['transformers', 'CLIPTextModelWithProjection'],
        text_encoder_3: [null, null],
        tokenizer: ['transformers', 'CLIPTokenizer'],
        tokenizer_2: ['transformers', 'CLIPTokenizer'],
        tokenizer_3: [null, null],
        transformer: ['diffusers', 'SD3Transformer2DModel'],
        vae: ['diffusers', 'AutoencoderKL'],
      },
      'scheduler/scheduler_config.json': schedulerConfig(3),
    },
    tokenizers: { tokenizer: 'clip', tokenizer_2: 'clip' },
    precision: 'bf16',
  };
}

/** Flux.1 schnell. */
export function fluxSchnell(divisor: number): FullSizeModel {
  const config = {
    _class_name: 'FluxTransformer2DModel',
    attention_head_dim: 128,
    axes_dims_rope: [16, 56, 56],
    guidance_embeds: false,
    in_channels: 64,
    joint_attention_dim: JOINT_WIDTH / divisor,
    num_attention_heads: 24 / divisor,
    num_layers: 19,
    num_single_layers: 38,
    patch_size: 1,
    pooled_projection_dim: CLIP_L.width / divisor,
  };
  const settings = fluxConfig(config);
  const transformer = transformerFile(config, (weights) => {
    const { joint_attention_dim: joint, pooled_projection_dim: pooled } = settings;
    fluxTransformer(settings, weights)(transformerInputs(16, joint, pooled));
  });
  return {
    files: [
      transformer,
      autoencoderFile(divisor),
      clipFile('text_encoder', CLIP_L, divisor, false),
      t5File('text_encoder_2', divisor),
    ],
    documents: {
      'model_index.json': {
        _class_name: 'FluxPipeline',
        _diffusers_version: '0.30.0',
        scheduler: ['diffusers', 'FlowMatchEulerDiscreteScheduler'],
        text_encoder: ['transformers', 'CLIPTextModel'],
        text_encoder_2: ['transformers', 'T5EncoderModel'],
        tokenizer: ['transformers', 'CLIPTokenizer'],
        tokenizer_2: ['transformers', 'T5TokenizerFast'],
        transformer: ['diffusers', 'FluxTransformer2DModel'],
        vae: ['diffusers', 'AutoencoderKL'],
      },
      'scheduler/scheduler_config.json': schedulerConfig(1),
    },
    tokenizers: { tokenizer: 'clip', tokenizer_2: 't5' },
    precision: 'bf16',
  };
}

const schedulerConfig = (shift: number) => ({
  _class_name: 'FlowMatchEulerDiscreteScheduler',
  num_train_timesteps: 1000,
  shift,
});

const transformerInputs = (channels: number, joint: number, pooled: number) => ({
  sample: input('sample', [1, channels, 8, 8]),
  timestep: input('timestep', [1]),
  context: input('context', [1, 2, joint]),
  pooled: input('pooled', [1, pooled]),
});

function transformerFile(config: NetworkFile['config'], build: Parameters<typeof shapesOf>[0]): NetworkFile {
  return { name: 'transformer', stem: 'diffusion_pytorch_model', config, shapes: shapesOf(build) };
}

/** The autoencoder of 16 channels that both have. */
function autoencoderFile(divisor: number): NetworkFile {
  const config = {
    _class_name: 'AutoencoderKL',
    act_fn: 'silu',
    block_out_channels: [128, 256, 512, 512].map((width) => width / divisor),
    down_block_types: new Array<string>(4).fill('DownEncoderBlock2D'),
    in_channels: 3,
    latent_channels: 16,
    layers_per_block: 2,
    norm_num_groups: 32 / divisor,
    out_channels: 3,
    sample_size: 1024,
    scaling_factor: 1.5305,
    shift_factor: 0.0609,
    up_block_types: new Array<string>(4).fill('UpDecoderBlock2D'),
    use_post_quant_conv: false,
    use_quant_conv: false,
  };
  const shapes = shapesOf((weights) => {
    const network = autoencoder(autoencoderConfig(config), weights);
    network.encode(input('image', [1, 3, 16, 16]));
    network.decode(input('latent', [1, 16, 2, 2]));
  });
  return { name: 'vae', stem: 'diffusion_pytorch_model', config, shapes };
}

function clipFile(
  name: string,
  { width: whole, heads, activation }: typeof CLIP_L,
  divisor: number,
  isProjected: boolean,
): NetworkFile {
  const width = whole / divisor;
  const config = {
    architectures: [isProjected ? 'CLIPTextModelWithProjection' : 'CLIPTextModel'],
    hidden_act: activation,
    hidden_size: width,
    intermediate_size: 4 * width,
    layer_norm_eps: 1e-5,
    max_position_embeddings: MAX_TOKENS,
    model_type: 'clip_text_model',
    num_attention_heads: heads,
    // The last but one is read.
    num_hidden_layers: 2,
    projection_dim: width,
    vocab_size: VOCABULARY,
  };
  const shapes = shapesOf((weights) => {
    textEncoder(clipTextConfig(config), weights)(input('ids', [1, 2], 'int32'));
    if (isProjected) weights.get('text_projection.weight', [width, width]);
  });
  return { name, stem: 'model', config, shapes };
}

function t5File(name: string, divisor: number): NetworkFile {
  const config = {
    architectures: ['T5EncoderModel'],
    d_ff: 10_240 / divisor,
    d_kv: 64,
    d_model: JOINT_WIDTH / divisor,
    feed_forward_proj: 'gated-gelu',
    model_type: 't5',
    num_heads: 64 / divisor,
    num_layers: 1,
    vocab_size: T5_VOCABULARY,
  };
  const shapes = shapesOf((weights) => {
    const network = t5Encoder(t5Config(config), weights);
    network.encode(network.embed(input('ids', [1, 2], 'int32')));
  });
  return { name, stem: 'model', config, shapes };
}
