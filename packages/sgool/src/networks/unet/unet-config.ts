/** @file The `config.json` of a UNet2DConditionModel. */
import { z } from 'zod';
import { describeLimit, limited } from '../config-limits.ts';
import { blocks, limitAttentionLayers, off, parseConfig, perBlock, spread } from '../parse-config.ts';

const unetSchema = z
  .object({
    in_channels: limited('in_channels').default(4),
    out_channels: limited('out_channels').default(4),
    sample_size: z
      .union([limited('sample_size'), z.tuple([limited('sample_size'), limited('sample_size')])], {
        error: `${describeLimit('sample_size')}, or two of them`,
      })
      .nullish(),
    block_out_channels: blocks('block_out_channels').default([320, 640, 1280, 1280]),
    down_block_types: z
      .array(z.enum(['CrossAttnDownBlock2D', 'DownBlock2D']))
      .default(['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D']),
    mid_block_type: z.literal('UNetMidBlock2DCrossAttn').nullable().default('UNetMidBlock2DCrossAttn'),
    up_block_types: z
      .array(z.enum(['CrossAttnUpBlock2D', 'UpBlock2D']))
      .default(['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D']),
    layers_per_block: perBlock('layers_per_block', 2),
    /** The number of HEADS, whatever its name says: a historic misnaming that every public file keeps. */
    attention_head_dim: perBlock('attention_head_dim', 8),
    num_attention_heads: off,
    cross_attention_dim: perBlock('cross_attention_dim', 1280),
    transformer_layers_per_block: perBlock('transformer_layers_per_block', 1),
    use_linear_projection: z.boolean().default(false),
    /** Width of the guidance embedding, a second condition of distilled networks beside the timestep. */
    time_cond_proj_dim: limited('time_cond_proj_dim').nullish(),
    norm_num_groups: limited('norm_num_groups').default(32),
    norm_eps: limited('norm_eps').default(1e-5),
    flip_sin_to_cos: z.boolean().default(true),
    freq_shift: limited('freq_shift').default(0),
    downsample_padding: z.union([z.literal(0), z.literal(1)]).default(1),
    act_fn: z.enum(['silu', 'swish']).default('silu'),
    // Features of other architectures; what is listed is what Stable Diffusion 1.x has.
    center_input_sample: off,
    dual_cross_attention: off,
    only_cross_attention: off,
    mid_block_only_cross_attention: off,
    class_embed_type: off,
    num_class_embeds: off,
    reverse_transformer_layers_per_block: off,
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
    const count = config.block_out_channels.length;
    for (const key of ['down_block_types', 'up_block_types'] as const) {
      if (config[key].length !== count) {
        ctx.addIssue({
          code: 'custom',
          path: [key],
          message: `must name ${count} blocks, as block_out_channels does`,
        });
      }
    }
    const heads = spread('attention_head_dim', config.attention_head_dim, count, ctx);
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
    const layers = spread('layers_per_block', config.layers_per_block, count, ctx);
    const depths = spread('transformer_layers_per_block', config.transformer_layers_per_block, count, ctx);
    // On the way down, in the middle, and one more on the way up.
    const attentionLayers = depths
      .map((depth, i) => depth * (2 * layers[i] + 1))
      .reduce((a, b) => a + b, depths[count - 1]);
    limitAttentionLayers(ctx, 'transformer_layers_per_block', attentionLayers);
    return {
      ...config,
      layers_per_block: layers,
      attention_head_dim: heads,
      cross_attention_dim: spread('cross_attention_dim', config.cross_attention_dim, count, ctx),
      transformer_layers_per_block: depths,
    };
  });

/**
 * Configuration of a UNet2DConditionModel; numbers that may differ between blocks are lists here.
 *
 * @interface
 */
export type UNetConfig = Readonly<z.output<typeof unetSchema>>;

/**
 * Checks a UNet's `config.json`.
 *
 * @param owner names the file in messages
 * @throws UserError in one line: the key, its value, what is supported
 */
export function unetConfig(config: unknown, owner = 'unet config'): UNetConfig {
  return parseConfig(unetSchema, config, owner);
}
