import { expect, test } from 'vitest';
import { refusalOf } from '../testing.ts';
import { unetConfig } from '../unet/unet-config.ts';
import { checkMotionFits, motionConfig } from './motion-config.ts';
import { motionUNetConfig } from './motion-unet.ts';

/** Keys of the published v3 adapter. */
const V3 = {
  _class_name: 'MotionAdapter',
  block_out_channels: [320, 640, 1280, 1280],
  motion_layers_per_block: 2,
  motion_max_seq_length: 32,
  motion_mid_block_layers_per_block: 1,
  motion_norm_num_groups: 32,
  motion_num_attention_heads: 8,
  use_motion_mid_block: false,
};

test('an adapter: one number for all blocks, or one for each', () => {
  expect(motionConfig(V3)).toMatchObject({
    motion_layers_per_block: [2, 2, 2, 2],
    motion_transformer_layers_per_block: [1, 1, 1, 1],
    motion_num_attention_heads: [8, 8, 8, 8],
    use_motion_mid_block: false,
  });
  const lists = {
    motion_layers_per_block: [1, 2, 3, 4],
    motion_transformer_layers_per_block: [4, 3, 2, 1],
    motion_num_attention_heads: [1, 2, 4, 8],
    motion_transformer_layers_per_mid_block: [3],
  };
  expect(motionConfig({ ...V3, ...lists })).toMatchObject({
    ...lists,
    motion_transformer_layers_per_mid_block: 3,
  });
});

test.each([
  [{ conv_in_channels: 9 }, 'conv_in_channels is not supported, got 9; is of a PIA adapter'],
  [
    { motion_mid_block_layers_per_block: 2 },
    'motion_mid_block_layers_per_block is not supported, got 2; must be 1',
  ],
  [{ motion_transformer_layers_per_block: [[1, 1], 1, 1, 1] }, 'must be a whole number from 1 to 64'],
  [{ motion_transformer_layers_per_mid_block: [1, 1] }, 'must be a whole number from 1 to 64'],
  [{ motion_num_attention_heads: 7 }, "must divide the block's 320 channels"],
  [{ motion_norm_num_groups: 33 }, 'must be multiples of motion_norm_num_groups (33)'],
  [{ motion_layers_per_block: [2, 2] }, 'must have one entry for each of 4 blocks'],
  [{ motion_transformer_layers_per_block: 64 }, 'layers of attention; there must be at most 512'],
])('an adapter with %j is refused', (change, message) => {
  expect(refusalOf(motionConfig, { ...V3, ...change })).toContain(message);
});

const UNET = {
  _class_name: 'UNetMotionModel',
  down_block_types: ['CrossAttnDownBlockMotion', 'DownBlockMotion'],
  up_block_types: ['UpBlockMotion', 'CrossAttnUpBlockMotion'],
  block_out_channels: [32, 64],
  num_attention_heads: 4,
  cross_attention_dim: 16,
  motion_num_attention_heads: 2,
  motion_max_seq_length: 16,
  use_motion_mid_block: false,
  temporal_transformer_layers_per_block: 2,
  transformer_layers_per_mid_block: null,
  mid_block_layers: 1,
};

test('a UNet with motion modules: the UNet without them, and their adapter', () => {
  const { unet, motion } = motionUNetConfig(UNET);
  expect(unet).toEqual(
    unetConfig({
      down_block_types: ['CrossAttnDownBlock2D', 'DownBlock2D'],
      up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D'],
      block_out_channels: [32, 64],
      attention_head_dim: 4,
      cross_attention_dim: 16,
    }),
  );
  expect(motion).toEqual(
    motionConfig({
      block_out_channels: [32, 64],
      motion_layers_per_block: 2,
      motion_num_attention_heads: 2,
      motion_max_seq_length: 16,
      motion_norm_num_groups: 32,
      use_motion_mid_block: false,
      motion_transformer_layers_per_block: 2,
    }),
  );
});

test.each([
  [{ mid_block_layers: 2 }, 'mid_block_layers is not supported, got 2; must be 1'],
  [{ transformer_layers_per_mid_block: 3 }, 'must be 1, as in the last block'],
  [{ reverse_motion_num_attention_heads: [2, 2] }, 'must be null or left out'],
  [{ reverse_temporal_transformer_layers_per_block: [1, 1] }, 'must be null or left out'],
  [{ encoder_hid_dim_type: 'ip_image_proj' }, 'must be null or left out'],
  [{ down_block_types: ['CrossAttnDownBlock2D', 'DownBlock2D'] }, 'down_block_types.0 is not supported'],
])('a UNet with motion modules and %j is refused', (change, message) => {
  expect(refusalOf(motionUNetConfig, { ...UNET, ...change })).toContain(message);
});

test('an adapter that does not belong into the UNet is refused', () => {
  const { unet, motion } = motionUNetConfig(UNET);
  const against = (change: object) => () => checkMotionFits(unet, { ...motion, ...change }, 'adapter');
  expect(against({})).not.toThrow();
  expect(against({ block_out_channels: [32, 32] })).toThrow(
    'adapter: its motion modules are for blocks of widths 32, 32, the UNet has 32, 64',
  );
  expect(against({ motion_layers_per_block: [1, 2] })).toThrow('layers per block 1, 2, the UNet has 2, 2');
  const withoutMiddle = { ...unet, mid_block_type: null };
  expect(() => checkMotionFits(withoutMiddle, { ...motion, use_motion_mid_block: true }, 'adapter')).toThrow(
    'a motion module for the middle block',
  );
});
