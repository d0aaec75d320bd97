/** @file The `config.json` of an AutoencoderKL. */
import { z } from 'zod';
import { count, off, parseConfig } from '../parse-config.ts';

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
  // Means and deviations by channel: no pipeline of Stable Diffusion 1 or 2 applies them.
  latents_mean: off,
  latents_std: off,
  use_quant_conv: z.boolean().default(true),
  use_post_quant_conv: z.boolean().default(true),
  mid_block_add_attention: z.boolean().default(true),
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
