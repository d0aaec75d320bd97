/**
 * @file The `config.json` of a UNetMotionModel: a UNet and its motion modules in one file. Reference: diffusers,
 * models/unets/unet_motion_model.py (UNetMotionModel).
 */
import { z } from 'zod';
import { misfit, off, parseConfig } from '../parse-config.ts';
import { type UNetConfig, unetConfig } from '../unet/unet-config.ts';
import { type MotionConfig, motionConfig } from './motion-config.ts';

/** Names of blocks with motion modules, and of the same ones without. */
const DOWN_BLOCKS = {
  CrossAttnDownBlockMotion: 'CrossAttnDownBlock2D',
  DownBlockMotion: 'DownBlock2D',
} as const;
const UP_BLOCKS = { CrossAttnUpBlockMotion: 'CrossAttnUpBlock2D', UpBlockMotion: 'UpBlock2D' } as const;

const names = <T extends Readonly<Record<string, string>>>(blocks: T) =>
  z.array(z.enum(Object.keys(blocks) as (keyof T & string)[]).transform((name) => blocks[name]));

/** What differs from a UNet2DConditionModel; all other keys are its own. */
const schema = z
  .looseObject({
    down_block_types: names(DOWN_BLOCKS).optional(),
    up_block_types: names(UP_BLOCKS).optional(),
    mid_block_layers: z.literal(1, { error: 'must be 1' }).optional(),
    mid_block_scale_factor: z.literal(1, { error: 'must be 1' }).optional(),
    num_attention_heads: z.unknown().optional(),
    transformer_layers_per_block: z.unknown().optional(),
    transformer_layers_per_mid_block: z.unknown().optional(),
    reverse_temporal_transformer_layers_per_block: off,
    reverse_motion_num_attention_heads: off,
  })
  .superRefine(({ transformer_layers_per_mid_block: middle, transformer_layers_per_block: layers }, ctx) => {
    const last = Array.isArray(layers) ? layers.at(-1) : (layers ?? 1);
    if (middle === undefined || middle === null || middle === last) return;
    misfit(
      ctx,
      ['transformer_layers_per_mid_block'],
      `must be ${JSON.stringify(last)}, as in the last block`,
    );
  });

/**
 * Checks a UNetMotionModel's `config.json`.
 *
 * @param owner names the file in messages
 * @throws UserError in one line: the key, its value, what is supported
 */
export function motionUNetConfig(
  config: unknown,
  owner = 'unet config',
): { readonly unet: UNetConfig; readonly motion: MotionConfig } {
  const {
    num_attention_heads: heads = 8,
    mid_block_layers: _layers,
    transformer_layers_per_mid_block: _middle,
    ...given
  } = parseConfig(schema, config, owner);
  const unet = unetConfig({ ...given, attention_head_dim: heads }, owner);
  const present = (keys: Readonly<Record<string, string>>) =>
    Object.fromEntries(
      Object.entries(keys).flatMap(([key, own]) => (given[own] === undefined ? [] : [[key, given[own]]])),
    );
  const motion = motionConfig(
    {
      block_out_channels: unet.block_out_channels,
      motion_layers_per_block: unet.layers_per_block,
      motion_norm_num_groups: unet.norm_num_groups,
      ...present({
        motion_num_attention_heads: 'motion_num_attention_heads',
        motion_max_seq_length: 'motion_max_seq_length',
        use_motion_mid_block: 'use_motion_mid_block',
        motion_transformer_layers_per_block: 'temporal_transformer_layers_per_block',
        motion_transformer_layers_per_mid_block: 'temporal_transformer_layers_per_mid_block',
      }),
    },
    owner,
  );
  return { unet, motion };
}
