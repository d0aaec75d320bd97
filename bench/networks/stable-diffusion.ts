/** @file The networks of Stable Diffusion 1.4 and CLIP ViT-B/32: configurations, tensors in the files' own names, sizes as published. */
import { input } from '@sgool/autodiff';
import {
  autoencoder,
  autoencoderConfig,
  clip,
  clipConfig,
  clipTextConfig,
  motionConfig,
  textEncoder,
  unet,
  unetConfig,
} from 'sgool/networks';
import { anyWeights, type FullSizeModel, type Names, type NetworkFile, shapesOf } from './network-file.ts';
import { MAX_TOKENS, VOCABULARY } from './tokenizer.ts';

/** Width of CLIP ViT-L/14's text transformer. */
const TEXT_WIDTH = 768;

const MODEL_INDEX = {
  _class_name: 'StableDiffusionPipeline',
  _diffusers_version: '0.2.2',
  scheduler: ['diffusers', 'PNDMScheduler'],
  text_encoder: ['transformers', 'CLIPTextModel'],
  tokenizer: ['transformers', 'CLIPTokenizer'],
  unet: ['diffusers', 'UNet2DConditionModel'],
  vae: ['diffusers', 'AutoencoderKL'],
};

const SCHEDULER = {
  _class_name: 'PNDMScheduler',
  beta_end: 0.012,
  beta_schedule: 'scaled_linear',
  beta_start: 0.00085,
  num_train_timesteps: 1000,
  set_alpha_to_one: false,
  skip_prk_steps: true,
  steps_offset: 1,
  trained_betas: null,
  clip_sample: false,
};

/** The whole model, with CLIP ViT-B/32, so that all methods run. See `networkFiles`. */
export function stableDiffusion14(divisor: number, withMotion = false): FullSizeModel {
  return {
    files: networkFiles(divisor, withMotion),
    documents: { 'model_index.json': MODEL_INDEX, 'scheduler/scheduler_config.json': SCHEDULER },
    tokenizers: { tokenizer: 'clip' },
    precision: 'fp32',
  };
}

/**
 * All networks of the model.
 *
 * @param divisor of all widths: 1 for the real ones; 2, 4 or 8 for smaller models of the same depth
 * @param withMotion adds a motion adapter of the shape of AnimateDiff's v3, with which the model makes clips
 */
export function networkFiles(divisor: number, withMotion = false): NetworkFile[] {
  const widths = (...sizes: number[]) => sizes.map((size) => size / divisor);
  const groups = 32 / divisor;
  const full = divisor === 1;
  return [unetFile(), vaeFile(), textEncoderFile(), clipFile(), ...(withMotion ? [motionFile()] : [])];

  function unetFile(): NetworkFile {
    const config = {
      _class_name: 'UNet2DConditionModel',
      act_fn: 'silu',
      attention_head_dim: 8,
      block_out_channels: widths(320, 640, 1280, 1280),
      center_input_sample: false,
      cross_attention_dim: TEXT_WIDTH / divisor,
      down_block_types: [...new Array<string>(3).fill('CrossAttnDownBlock2D'), 'DownBlock2D'],
      downsample_padding: 1,
      flip_sin_to_cos: true,
      freq_shift: 0,
      in_channels: 4,
      layers_per_block: 2,
      mid_block_scale_factor: 1,
      norm_eps: 1e-5,
      norm_num_groups: groups,
      out_channels: 4,
      sample_size: 64,
      up_block_types: ['UpBlock2D', ...new Array<string>(3).fill('CrossAttnUpBlock2D')],
    };
    const settings = unetConfig(config);
    return {
      name: 'unet',
      stem: 'diffusion_pytorch_model',
      config,
      shapes: shapesOf((weights) => {
        unet(
          settings,
          weights,
        )({
          sample: input('sample', [1, 4, 8, 8]),
          timestep: input('timestep', [1]),
          context: input('context', [1, 2, settings.cross_attention_dim[0]]),
        });
      }),
      published: full ? { fp32: 3_438_167_534, fp16: 1_719_125_304 } : {},
    };
  }

  function motionFile(): NetworkFile {
    const config = {
      _class_name: 'MotionAdapter',
      block_out_channels: widths(320, 640, 1280, 1280),
      motion_layers_per_block: 2,
      motion_max_seq_length: 32,
      motion_mid_block_layers_per_block: 1,
      motion_norm_num_groups: groups,
      motion_num_attention_heads: 8,
      use_motion_mid_block: false,
    };
    const { config: around } = unetFile();
    const settings = unetConfig(around);
    return {
      name: 'motion_adapter',
      stem: 'diffusion_pytorch_model',
      config,
      shapes: shapesOf((weights) => {
        unet(settings, anyWeights('around'), { motion: { config: motionConfig(config), weights } })({
          sample: input('sample', [1, 4, 2, 8, 8]),
          timestep: input('timestep', [1]),
          context: input('context', [1, 2, settings.cross_attention_dim[0]]),
        });
      }),
    };
  }

  function vaeFile(): NetworkFile {
    const config = {
      _class_name: 'AutoencoderKL',
      act_fn: 'silu',
      block_out_channels: widths(128, 256, 512, 512),
      down_block_types: new Array<string>(4).fill('DownEncoderBlock2D'),
      in_channels: 3,
      latent_channels: 4,
      layers_per_block: 2,
      norm_num_groups: groups,
      out_channels: 3,
      sample_size: 512,
      up_block_types: new Array<string>(4).fill('UpDecoderBlock2D'),
    };
    const settings = autoencoderConfig(config);
    return {
      name: 'vae',
      stem: 'diffusion_pytorch_model',
      config,
      shapes: shapesOf((weights) => {
        const network = autoencoder(settings, weights);
        network.encode(input('image', [1, 3, 16, 16]));
        network.decode(input('latent', [1, 4, 2, 2]));
      }),
      published: full ? { fp32: 334_643_276, fp16: 167_335_342 } : {},
    };
  }

  function textEncoderFile(): NetworkFile {
    const config = {
      architectures: ['CLIPTextModel'],
      hidden_act: 'quick_gelu',
      hidden_size: TEXT_WIDTH / divisor,
      intermediate_size: (4 * TEXT_WIDTH) / divisor,
      layer_norm_eps: 1e-5,
      max_position_embeddings: MAX_TOKENS,
      model_type: 'clip_text_model',
      num_attention_heads: 12,
      num_hidden_layers: 12,
      vocab_size: VOCABULARY,
    };
    const settings = clipTextConfig(config);
    return {
      name: 'text_encoder',
      stem: 'model',
      config,
      positionIds: new Map([['text_model.embeddings.position_ids', MAX_TOKENS]]),
      shapes: shapesOf((weights) => {
        textEncoder(settings, weights)(input('ids', [1, 2], 'int32'));
      }),
      published: full ? { fp32: 492_265_879, fp16: 246_144_864 } : {},
    };
  }

  function clipFile(): NetworkFile {
    const [textWidth, imageWidth] = widths(512, 768) as [number, number];
    const shared = { hidden_act: 'quick_gelu', num_hidden_layers: 12, layer_norm_eps: 1e-5 };
    const config = {
      architectures: ['CLIPModel'],
      model_type: 'clip',
      projection_dim: textWidth,
      text_config: {
        ...shared,
        hidden_size: textWidth,
        intermediate_size: 4 * textWidth,
        max_position_embeddings: MAX_TOKENS,
        num_attention_heads: 8,
        vocab_size: VOCABULARY,
      },
      vision_config: {
        ...shared,
        hidden_size: imageWidth,
        image_size: 224,
        intermediate_size: 4 * imageWidth,
        num_attention_heads: 12,
        patch_size: 32,
      },
    };
    const settings = clipConfig(config);
    const patches = (settings.vision_config.image_size / settings.vision_config.patch_size) ** 2;
    return {
      name: 'clip',
      stem: 'model',
      config,
      positionIds: new Map([
        ['text_model.embeddings.position_ids', MAX_TOKENS],
        ['vision_model.embeddings.position_ids', patches + 1],
      ]),
      shapes: shapesOf((weights) => {
        const network = clip(settings, weights);
        network.image(input('pixels', [1, 3, 224, 224]));
        network.text(input('ids', [1, 2], 'int32'), input('end', [1], 'int32'));
        network.logitScale();
      }),
      only: 'fp32',
      // Computed from the names and shapes, not read on the Hub.
      published: full ? { fp32: 605_157_884 } : {},
    };
  }
}

/** One network of the model; see `networkFiles`. */
export function networkFile(name: string, divisor: number): NetworkFile {
  const file = networkFiles(divisor).find((each) => each.name === name);
  if (!file) throw new RangeError(`networkFile: no network "${name}"`);
  return file;
}

const OLD_ATTENTION: Readonly<Record<string, string>> = {
  to_q: 'query',
  to_k: 'key',
  to_v: 'value',
  'to_out.0': 'proj_attn',
};

/** The name of a weight in its file: old files name the autoencoder's attention differently. */
export function nameInFile(network: string, name: string, names: Names): string {
  if (network !== 'vae' || names === 'new') return name;
  return name.replace(
    /(\.attentions\.0\.)(to_q|to_k|to_v|to_out\.0)(?=\.)/,
    (_, path: string, part: string) => path + OLD_ATTENTION[part],
  );
}
