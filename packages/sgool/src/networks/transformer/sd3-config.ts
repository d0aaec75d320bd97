/** @file The `config.json` of an SD3Transformer2DModel. */
import { z } from 'zod';
import { limited, MOST_LAYERS } from '../config-limits.ts';
import { misfit, parseConfig } from '../parse-config.ts';

const schema = z
  .object({
    sample_size: limited('sample_size').default(128),
    patch_size: z
      .union([z.literal(1), z.literal(2)], { error: 'must be 1 or 2 (Stable Diffusion 3 has 2)' })
      .default(2),
    in_channels: limited('in_channels').default(16),
    out_channels: limited('out_channels').nullish(),
    num_layers: limited('num_layers').default(18),
    attention_head_dim: limited('attention_head_dim').default(64),
    num_attention_heads: limited('num_attention_heads').default(18),
    joint_attention_dim: limited('joint_attention_dim').default(4096),
    caption_projection_dim: limited('caption_projection_dim').default(1152),
    pooled_projection_dim: limited('pooled_projection_dim').default(2048),
    pos_embed_max_size: limited('pos_embed_max_size').default(96),
    dual_attention_layers: z.array(limited('dual_attention_layers')).max(MOST_LAYERS).default([]),
    qk_norm: z.literal('rms_norm').nullish(),
  })
  .transform((config, ctx) => {
    const width = config.num_attention_heads * config.attention_head_dim;
    if (config.caption_projection_dim !== width) {
      misfit(ctx, ['caption_projection_dim'], `must be num_attention_heads · attention_head_dim (${width})`);
    }
    for (const layer of config.dual_attention_layers) {
      if (layer < config.num_layers) continue;
      misfit(ctx, ['dual_attention_layers'], `must be less than num_layers (${config.num_layers})`);
      break;
    }
    return { ...config, out_channels: config.out_channels ?? config.in_channels, width };
  });

/**
 * Configuration of an SD3Transformer2DModel; `width` is that of its tokens.
 *
 * @interface
 */
export type Sd3Config = Readonly<z.output<typeof schema>>;

/**
 * Checks the `config.json` of an SD3Transformer2DModel.
 *
 * @param owner names the file in messages
 * @throws UserError in one line: the key, its value, what is supported
 */
export function sd3Config(config: unknown, owner = 'transformer config'): Sd3Config {
  return parseConfig(schema, config, owner);
}
