import { expect, it } from 'vitest';
import { refusalOf } from '../testing.ts';
import { unetConfig } from './unet-config.ts';

it('gives missing keys the defaults of diffusers and drops unknown keys', () => {
  const unet = unetConfig({ _class_name: 'UNet2DConditionModel', num_attention_heads: null });
  expect(unet.block_out_channels).toEqual([320, 640, 1280, 1280]);
  expect(unet.attention_head_dim).toEqual([8, 8, 8, 8]);
  expect(unet.cross_attention_dim).toEqual([1280, 1280, 1280, 1280]);
  expect(unet).not.toHaveProperty('_class_name');
});

it('accepts a configuration that was checked before', () => {
  const once = unetConfig({ attention_head_dim: [5, 10, 20, 20] });
  expect(unetConfig(once)).toEqual(once);
});

it.each([
  { config: { act_fn: 'mish' }, says: /^unet config: act_fn .*"mish"/ },
  { config: { class_embed_type: 'timestep' }, says: /class_embed_type .*"timestep"/ },
  {
    config: { reverse_transformer_layers_per_block: [1, 2] },
    says: /reverse_transformer_layers_per_block is not supported/,
  },
  { config: { block_out_channels: [30, 60] }, says: /down_block_types|norm_num_groups/ },
  { config: { layers_per_block: [2, 2] }, says: /layers_per_block .*\[2,2\].*4 blocks/ },
])('says in one line what is wrong with $config', ({ config, says }) => {
  expect(refusalOf(unetConfig, config)).toMatch(says);
});
