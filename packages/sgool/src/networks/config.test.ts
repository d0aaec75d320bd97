import { expect, it } from 'vitest';
import { UserError } from '../errors.ts';
import { autoencoderConfig, clipConfig, clipTextConfig, transalnetConfig, unetConfig } from './config.ts';

it('missing keys have the defaults of diffusers and transformers; unknown keys are dropped', () => {
  const unet = unetConfig({ _class_name: 'UNet2DConditionModel', num_attention_heads: null });
  expect(unet.block_out_channels).toEqual([320, 640, 1280, 1280]);
  expect(unet.attention_head_dim).toEqual([8, 8, 8, 8]);
  expect(unet.cross_attention_dim).toEqual([1280, 1280, 1280, 1280]);
  expect(unet).not.toHaveProperty('_class_name');
  expect(autoencoderConfig({}).scaling_factor).toBe(0.18215);
  expect(clipTextConfig({}).hidden_act).toBe('quick_gelu');
});

it('a checked configuration can be checked again', () => {
  const once = unetConfig({ attention_head_dim: [5, 10, 20, 20] });
  expect(unetConfig(once)).toEqual(once);
});

it('the old text_config_dict of CLIP wins, and null means absent', () => {
  const config = clipConfig({
    text_config: { hidden_size: 512 },
    text_config_dict: { hidden_size: 768, num_attention_heads: 12 },
    vision_config_dict: null,
  });
  expect(config.text_config.hidden_size).toBe(768);
  expect(config.vision_config.patch_size).toBe(32);
});

it.each([
  { parse: unetConfig, config: { act_fn: 'mish' }, says: /^unet config: act_fn .*"mish"/ },
  { parse: unetConfig, config: { class_embed_type: 'timestep' }, says: /class_embed_type .*"timestep"/ },
  { parse: unetConfig, config: { block_out_channels: [30, 60] }, says: /down_block_types|norm_num_groups/ },
  { parse: unetConfig, config: { layers_per_block: [2, 2] }, says: /layers_per_block .*\[2,2\].*4 blocks/ },
  { parse: autoencoderConfig, config: { latent_channels: '4' }, says: /latent_channels .*"4"/ },
  { parse: autoencoderConfig, config: [1], says: /^autoencoder config: the file .*\[1\]/ },
  {
    parse: clipConfig,
    config: { vision_config: { patch_size: 0 } },
    says: /vision_config\.patch_size .*got 0/,
  },
  { parse: clipConfig, config: null, says: /^clip config: the file .*null/ },
  { parse: clipConfig, config: { text_config: 'big' }, says: /text_config .*"big"/ },
  { parse: transalnetConfig, config: { image_size: [288, 380] }, says: /image_size .*multiples of 32/ },
])('says in one line what is wrong with $config', ({ parse, config, says }) => {
  let message = '';
  try {
    parse(config);
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    message = (error as UserError).message;
  }
  expect(message).toMatch(says);
  expect(message).not.toContain('\n');
});
