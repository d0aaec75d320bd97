/** @file The `config.json` of a FluxTransformer2DModel. */
import { z } from 'zod';
import { describeLimit, limited } from '../config-limits.ts';
import { misfit, parseConfig } from '../parse-config.ts';

/** Side of the square of latent elements that the pipeline packs into a token. */
export const PACKED_SIDE = 2;

const axis = limited('axes_dims_rope');

const schema = z
  .object({
    patch_size: z.literal(1, { error: 'must be 1: latents are packed before the network' }).default(1),
    in_channels: limited('in_channels').default(64),
    out_channels: limited('out_channels').nullish(),
    num_layers: limited('num_layers').default(19),
    num_single_layers: limited('num_single_layers').default(38),
    attention_head_dim: limited('attention_head_dim').default(128),
    num_attention_heads: limited('num_attention_heads').default(24),
    joint_attention_dim: limited('joint_attention_dim').default(4096),
    pooled_projection_dim: limited('pooled_projection_dim').default(768),
    guidance_embeds: z.boolean().default(false),
    axes_dims_rope: z
      .tuple([axis, axis, axis], {
        error: `must be three numbers, each of which ${describeLimit('axes_dims_rope')}`,
      })
      .default([16, 56, 56]),
  })
  .transform((config, ctx) => {
    const rotated = config.axes_dims_rope.reduce((a, b) => a + b, 0);
    if (rotated !== config.attention_head_dim || config.axes_dims_rope.some((width) => width % 2 !== 0)) {
      misfit(
        ctx,
        ['axes_dims_rope'],
        `must be even and add up to attention_head_dim (${config.attention_head_dim})`,
      );
    }
    if (config.in_channels % PACKED_SIDE ** 2 !== 0) {
      misfit(ctx, ['in_channels'], `must be a multiple of ${PACKED_SIDE ** 2}, the elements in a token`);
    }
    return {
      ...config,
      out_channels: config.out_channels ?? config.in_channels,
      width: config.num_attention_heads * config.attention_head_dim,
    };
  });

/**
 * Configuration of a FluxTransformer2DModel; `width` is that of its tokens.
 *
 * @interface
 */
export type FluxConfig = Readonly<z.output<typeof schema>>;

/**
 * Checks the `config.json` of a FluxTransformer2DModel.
 *
 * @param owner names the file in messages
 * @throws UserError in one line: the key, its value, what is supported
 */
export function fluxConfig(config: unknown, owner = 'transformer config'): FluxConfig {
  return parseConfig(schema, config, owner);
}
