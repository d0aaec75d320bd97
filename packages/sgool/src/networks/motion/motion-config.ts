/** @file The `config.json` of a MotionAdapter. Reference: diffusers, models/unets/unet_motion_model.py (MotionAdapter). */
import { z } from 'zod';
import { UserError } from '../../errors.ts';
import { describeLimit, limited } from '../config-limits.ts';
import { blocks, limitAttentionLayers, misfit, parseConfig, perBlock, spread } from '../parse-config.ts';
import type { UNetConfig } from '../unet/unet-config.ts';

const middle = limited('motion_transformer_layers_per_mid_block');

const motionSchema = z
  .object({
    block_out_channels: blocks('block_out_channels').default([320, 640, 1280, 1280]),
    motion_layers_per_block: perBlock('motion_layers_per_block', 2),
    // A list of lists cannot be: a block has one module more on the way up than on the way down.
    motion_transformer_layers_per_block: perBlock('motion_transformer_layers_per_block', 1),
    motion_mid_block_layers_per_block: limited('motion_mid_block_layers_per_block').default(1),
    motion_transformer_layers_per_mid_block: z
      .union([middle, z.tuple([middle]).transform(([layers]) => layers)], {
        error: describeLimit('motion_transformer_layers_per_mid_block'),
      })
      .default(1),
    motion_num_attention_heads: perBlock('motion_num_attention_heads', 8),
    motion_norm_num_groups: limited('motion_norm_num_groups').default(32),
    motion_max_seq_length: limited('motion_max_seq_length').default(32),
    use_motion_mid_block: z.boolean().default(true),
    conv_in_channels: z
      .null({ error: 'is of a PIA adapter, which also reads an image; take an adapter of AnimateDiff' })
      .optional(),
  })
  .transform((config, ctx) => {
    const { block_out_channels: channels, motion_norm_num_groups: groups } = config;
    const listed = (
      key: 'motion_num_attention_heads' | 'motion_layers_per_block' | 'motion_transformer_layers_per_block',
    ) => spread(key, config[key], channels.length, ctx);
    const heads = listed('motion_num_attention_heads');
    channels.forEach((width, i) => {
      if (width % groups !== 0) {
        misfit(ctx, ['block_out_channels'], `must be multiples of motion_norm_num_groups (${groups})`);
      }
      if (width % heads[i] !== 0) {
        misfit(ctx, ['motion_num_attention_heads'], `must divide the block's ${width} channels`);
      }
    });
    const modules = listed('motion_layers_per_block');
    const layers = listed('motion_transformer_layers_per_block');
    const all = layers.reduce((sum, depth, i) => sum + depth * (2 * modules[i] + 1), 0);
    limitAttentionLayers(ctx, 'motion_transformer_layers_per_block', all);
    return {
      ...config,
      motion_num_attention_heads: heads,
      motion_layers_per_block: modules,
      motion_transformer_layers_per_block: layers,
    };
  });

/**
 * Configuration of a MotionAdapter; numbers that may differ between blocks are lists here, from the largest map to the smallest. On the way up a
 * block has one module more than `motion_layers_per_block` says.
 *
 * @interface
 */
export type MotionConfig = Readonly<z.output<typeof motionSchema>>;

/**
 * Checks the `config.json` of a MotionAdapter.
 *
 * @param owner names the file in messages
 * @throws UserError in one line: the key, its value, what is supported
 */
export function motionConfig(config: unknown, owner = 'motion config'): MotionConfig {
  return parseConfig(motionSchema, config, owner);
}

/**
 * Checks that motion modules belong into a UNet.
 *
 * @param owner names the adapter
 * @throws UserError where its maps have other widths, or its blocks other numbers of layers
 */
export function checkMotionFits(unet: UNetConfig, motion: MotionConfig, owner: string): void {
  const lists = [
    ['widths', motion.block_out_channels, unet.block_out_channels, 'take an adapter for this kind of model'],
    [
      'layers per block',
      motion.motion_layers_per_block,
      unet.layers_per_block,
      'take an adapter for this kind of model',
    ],
  ] as const;
  for (const [what, own, wanted, fix] of lists) {
    if (own.join() !== wanted.join()) {
      throw new UserError(
        `${owner}: its motion modules are for blocks of ${what} ${own.join(', ')}, the UNet has ${wanted.join(', ')}; ${fix}`,
      );
    }
  }
  if (motion.use_motion_mid_block && unet.mid_block_type === null) {
    throw new UserError(
      `${owner}: it has a motion module for the middle block, which the UNet does not have`,
    );
  }
}
