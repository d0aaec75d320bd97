/**
 * @file The public `config.json` files as checked, typed values. Keys keep their public names; a missing key has the
 * value that diffusers or transformers give it; keys that no network reads are dropped.
 */
import { z } from 'zod';
import { UserError } from '../errors.ts';

const count = z.int().positive();
const off = z.union([z.null(), z.literal(false)], { error: 'must be null or left out' }).optional();

/** One number for all blocks, or one for each. */
function perBlock(fallback: number) {
  return z.union([count, z.array(count).nonempty()]).default(fallback);
}

/** Repeats a single number for each block; a list must have one entry for each. */
function spread(
  key: string,
  value: number | readonly number[],
  blocks: number,
  ctx: z.RefinementCtx,
): number[] {
  if (typeof value === 'number') return new Array<number>(blocks).fill(value);
  if (value.length !== blocks) {
    ctx.addIssue({
      code: 'custom',
      path: [key],
      message: `must have one entry for each of ${blocks} blocks`,
    });
  }
  return [...value];
}

const autoencoderSchema = z.object({
  in_channels: count.default(3),
  out_channels: count.default(3),
  block_out_channels: z.array(count).nonempty().default([64]),
  down_block_types: z.array(z.literal('DownEncoderBlock2D')).optional(),
  up_block_types: z.array(z.literal('UpDecoderBlock2D')).optional(),
  layers_per_block: count.default(1),
  latent_channels: count.default(4),
  norm_num_groups: count.default(32),
  act_fn: z.literal('silu').default('silu'),
  scaling_factor: z.number().positive().default(0.18215),
  shift_factor: z.number().nullable().default(null),
  use_quant_conv: z.boolean().default(true),
  use_post_quant_conv: z.boolean().default(true),
  mid_block_add_attention: z.boolean().default(true),
});

/** Configuration of an AutoencoderKL. */
export type AutoencoderConfig = Readonly<z.output<typeof autoencoderSchema>>;

/** Checks an autoencoder's `config.json`. @throws UserError with one line */
export function autoencoderConfig(config: unknown, owner = 'autoencoder config'): AutoencoderConfig {
  return parseConfig(autoencoderSchema, config, owner);
}

const unetSchema = z
  .object({
    in_channels: count.default(4),
    out_channels: count.default(4),
    sample_size: z.union([count, z.tuple([count, count])]).nullish(),
    block_out_channels: z.array(count).nonempty().default([320, 640, 1280, 1280]),
    down_block_types: z
      .array(z.enum(['CrossAttnDownBlock2D', 'DownBlock2D']))
      .default(['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D']),
    mid_block_type: z.literal('UNetMidBlock2DCrossAttn').nullable().default('UNetMidBlock2DCrossAttn'),
    up_block_types: z
      .array(z.enum(['CrossAttnUpBlock2D', 'UpBlock2D']))
      .default(['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D']),
    layers_per_block: perBlock(2),
    /** The number of HEADS, whatever its name says: a historic misnaming that every public file keeps. */
    attention_head_dim: perBlock(8),
    num_attention_heads: off,
    cross_attention_dim: perBlock(1280),
    transformer_layers_per_block: perBlock(1),
    use_linear_projection: z.boolean().default(false),
    /** Width of the guidance embedding that distilled networks are told beside the timestep. */
    time_cond_proj_dim: count.nullish(),
    norm_num_groups: count.default(32),
    norm_eps: z.number().positive().default(1e-5),
    flip_sin_to_cos: z.boolean().default(true),
    freq_shift: z.number().default(0),
    downsample_padding: z.union([z.literal(0), z.literal(1)]).default(1),
    act_fn: z.enum(['silu', 'swish']).default('silu'),
    // Features of other architectures; what is listed is what Stable Diffusion 1.x has.
    center_input_sample: off,
    dual_cross_attention: off,
    only_cross_attention: off,
    mid_block_only_cross_attention: off,
    class_embed_type: off,
    num_class_embeds: off,
    addition_embed_type: off,
    encoder_hid_dim: off,
    encoder_hid_dim_type: off,
    time_embedding_dim: off,
    time_embedding_act_fn: off,
    timestep_post_act: off,
    cross_attention_norm: off,
    resnet_skip_time_act: off,
    mid_block_scale_factor: z.literal(1).optional(),
    resnet_out_scale_factor: z.literal(1).optional(),
    conv_in_kernel: z.literal(3).optional(),
    conv_out_kernel: z.literal(3).optional(),
    resnet_time_scale_shift: z.literal('default').optional(),
    time_embedding_type: z.literal('positional').optional(),
    attention_type: z.literal('default').optional(),
  })
  .transform((config, ctx) => {
    const blocks = config.block_out_channels.length;
    for (const key of ['down_block_types', 'up_block_types'] as const) {
      if (config[key].length !== blocks) {
        ctx.addIssue({
          code: 'custom',
          path: [key],
          message: `must name ${blocks} blocks, as block_out_channels does`,
        });
      }
    }
    const heads = spread('attention_head_dim', config.attention_head_dim, blocks, ctx);
    config.block_out_channels.forEach((channels, i) => {
      if (channels % config.norm_num_groups !== 0) {
        const message = `must be multiples of norm_num_groups (${config.norm_num_groups})`;
        ctx.addIssue({ code: 'custom', path: ['block_out_channels'], message });
      }
      if (channels % heads[i] !== 0) {
        const message = `is the number of heads and must divide the block's ${channels} channels`;
        ctx.addIssue({ code: 'custom', path: ['attention_head_dim'], message });
      }
    });
    return {
      ...config,
      layers_per_block: spread('layers_per_block', config.layers_per_block, blocks, ctx),
      attention_head_dim: heads,
      cross_attention_dim: spread('cross_attention_dim', config.cross_attention_dim, blocks, ctx),
      transformer_layers_per_block: spread(
        'transformer_layers_per_block',
        config.transformer_layers_per_block,
        blocks,
        ctx,
      ),
    };
  });

/** Configuration of a UNet2DConditionModel; numbers that may differ between blocks are lists here. */
export type UNetConfig = Readonly<z.output<typeof unetSchema>>;

/** Checks a UNet's `config.json`. @throws UserError with one line */
export function unetConfig(config: unknown, owner = 'unet config'): UNetConfig {
  return parseConfig(unetSchema, config, owner);
}

const encoderKeys = {
  intermediate_size: count,
  num_hidden_layers: count.default(12),
  num_attention_heads: count,
  hidden_act: z.enum(['quick_gelu', 'gelu']).default('quick_gelu'),
  layer_norm_eps: z.number().positive().default(1e-5),
};

const clipTextSchema = z.object({
  ...encoderKeys,
  vocab_size: count.default(49408),
  hidden_size: count.default(512),
  intermediate_size: count.default(2048),
  num_attention_heads: count.default(8),
  max_position_embeddings: count.default(77),
});

const clipVisionSchema = z.object({
  ...encoderKeys,
  hidden_size: count.default(768),
  intermediate_size: count.default(3072),
  num_attention_heads: count.default(12),
  num_channels: count.default(3),
  image_size: count.default(224),
  patch_size: count.default(32),
});

const clipSchema = z.object({
  text_config: clipTextSchema.prefault({}),
  vision_config: clipVisionSchema.prefault({}),
  projection_dim: count.default(512),
});

/** Configuration of a CLIPTextModel. */
export type ClipTextConfig = Readonly<z.output<typeof clipTextSchema>>;
/** Configuration of the image tower of a CLIPModel. */
export type ClipVisionConfig = Readonly<z.output<typeof clipVisionSchema>>;
/** Configuration of a CLIPModel. */
export type ClipConfig = Readonly<z.output<typeof clipSchema>>;

/** Checks the `config.json` of a CLIPTextModel. @throws UserError with one line */
export function clipTextConfig(config: unknown, owner = 'text encoder config'): ClipTextConfig {
  return parseConfig(clipTextSchema, config, owner);
}

/**
 * Checks the `config.json` of a CLIPModel. Old files repeat parts as `text_config_dict` and `vision_config_dict`, which
 * then win, as in transformers.
 *
 * @throws UserError with one line
 */
export function clipConfig(config: unknown, owner = 'clip config'): ClipConfig {
  if (!isObject(config)) return parseConfig(clipSchema, config, owner);
  const merged: Record<string, unknown> = { ...config };
  for (const part of ['text_config', 'vision_config']) {
    const old = config[`${part}_dict`];
    if (isObject(old)) merged[part] = isObject(config[part]) ? { ...config[part], ...old } : old;
    else merged[part] = config[part] ?? {};
  }
  return parseConfig(clipSchema, merged, owner);
}

const three = z.tuple([count, count, count]);
const four = z.tuple([count, count, count, count]);

const transalnetSchema = z
  .object({
    /** `res` for TranSalNet_Res (ResNet-50), `dense` for TranSalNet_Dense (DenseNet-161). */
    variant: z.enum(['res', 'dense']).default('res'),
    /** Height and width of the input; the position embeddings fix them. */
    image_size: z.tuple([count, count]).default([288, 384]),
    /** Channels after the first convolution: 64 for ResNet-50, 96 for DenseNet-161. */
    base_width: count.optional(),
    /** Layers of the four backbone stages. */
    stage_layers: four.optional(),
    /** Channels that each layer of a DenseNet adds. */
    growth_rate: count.default(48),
    /** Widths of the transformers behind the last, the middle and the first tap. */
    hidden_sizes: three.default([768, 768, 512]),
    heads: three.default([12, 12, 8]),
    transformer_layers: count.default(2),
    mlp_ratio: count.default(4),
    /** Channels after decoder convolutions 3 to 6. */
    decoder_widths: four.default([256, 128, 64, 32]),
  })
  .transform((config, ctx) => {
    if (config.image_size.some((side) => side % 32 !== 0)) {
      ctx.addIssue({ code: 'custom', path: ['image_size'], message: 'must be multiples of 32' });
    }
    if (config.hidden_sizes.some((size, i) => size % config.heads[i] !== 0)) {
      ctx.addIssue({ code: 'custom', path: ['heads'], message: 'must divide hidden_sizes' });
    }
    const dense = config.variant === 'dense';
    return {
      ...config,
      base_width: config.base_width ?? (dense ? 96 : 64),
      stage_layers: config.stage_layers ?? (dense ? ([6, 12, 36, 24] as const) : ([3, 4, 6, 3] as const)),
    };
  });

/** Layout of a TranSalNet; without any key it is the published TranSalNet_Res. */
export type TranSalNetConfig = Readonly<z.output<typeof transalnetSchema>>;

/** Checks the `config.json` of a TranSalNet (this project's own: the authors publish none). @throws UserError with one line */
export function transalnetConfig(config: unknown, owner = 'transalnet config'): TranSalNetConfig {
  return parseConfig(transalnetSchema, config, owner);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** One line that names the key, what it is and what would be right. @throws UserError */
export function parseConfig<T extends z.ZodType>(schema: T, config: unknown, owner: string): z.output<T> {
  const result = schema.safeParse(config);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const key = issue.path.join('.') || 'the file';
  let got = config;
  for (const step of issue.path) got = (got as Record<PropertyKey, unknown> | undefined)?.[step];
  const reason = issue.message.replace(/^Invalid \w+: /, '');
  throw new UserError(`${owner}: ${key} is not supported, got ${JSON.stringify(got)}; ${reason}`);
}
