/** @file The `config.json` of an AutoencoderKL. */
import { z } from 'zod';
import { limited } from '../config-limits.ts';
import { blocks, misfit, off, parseConfig } from '../parse-config.ts';

const autoencoderSchema = z
  .object({
    in_channels: limited('in_channels').default(3),
    out_channels: limited('out_channels').default(3),
    block_out_channels: blocks('block_out_channels').default([64]),
    down_block_types: z.array(z.literal('DownEncoderBlock2D')).optional(),
    up_block_types: z.array(z.literal('UpDecoderBlock2D')).optional(),
    layers_per_block: limited('layers_per_block').default(1),
    latent_channels: limited('latent_channels').default(4),
    norm_num_groups: limited('norm_num_groups').default(32),
    act_fn: z.literal('silu').default('silu'),
    scaling_factor: limited('scaling_factor').default(0.18215),
    shift_factor: limited('shift_factor').nullable().default(null),
    // Means and deviations by channel: no pipeline of Stable Diffusion 1 or 2 applies them.
    latents_mean: off,
    latents_std: off,
    use_quant_conv: z.boolean().default(true),
    use_post_quant_conv: z.boolean().default(true),
    mid_block_add_attention: z.boolean().default(true),
  })
  .superRefine(({ block_out_channels: channels, norm_num_groups: groups }, ctx) => {
    if (channels.every((width) => width % groups === 0)) return;
    misfit(ctx, ['norm_num_groups'], `must divide each of block_out_channels (${channels.join(', ')})`);
  });

/**
 * Configuration of an AutoencoderKL.
 *
 * @interface
 */
export type AutoencoderConfig = Readonly<z.output<typeof autoencoderSchema>>;

/**
 * Checks an autoencoder's `config.json`.
 *
 * @param owner names the file in messages
 * @throws UserError in one line: the key, its value, what is supported
 */
export function autoencoderConfig(config: unknown, owner = 'autoencoder config'): AutoencoderConfig {
  return parseConfig(autoencoderSchema, config, owner);
}
