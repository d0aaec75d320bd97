import { expect, it } from 'vitest';
import { required } from '../../errors.ts';
import { sourceOf, type WeightTensor } from '../../weights/formats/weight-source.ts';
import { readKeys } from '../testing.ts';
import { checkNetwork, describeProblems } from './check-weights.ts';

it.each([
  ['unet', 'sd14_unet', { cross_attention_dim: 768, sample_size: 64 }],
  ['vae', 'sd14_vae', { block_out_channels: [128, 256, 512, 512], layers_per_block: 2 }],
  [
    'text_encoder',
    'sd14_text_encoder',
    { hidden_size: 768, intermediate_size: 3072, num_attention_heads: 12 },
  ],
  ['clip', 'clip_vit_b32_hf', {}],
  ['motion_adapter', 'motion_adapter_v2', {}],
  [
    'vae',
    'vae16',
    {
      block_out_channels: [128, 256, 512, 512],
      layers_per_block: 2,
      latent_channels: 16,
      use_quant_conv: false,
      use_post_quant_conv: false,
    },
  ],
  [
    'transformer',
    'sd35_large_transformer',
    {
      _class_name: 'SD3Transformer2DModel',
      num_layers: 38,
      num_attention_heads: 38,
      caption_projection_dim: 2432,
      pos_embed_max_size: 192,
      qk_norm: 'rms_norm',
    },
  ],
  ['transformer', 'flux_dev_transformer', { _class_name: 'FluxTransformer2DModel', guidance_embeds: true }],
])('a published %s has what its configuration asks for; a lack is named', async (name, table, config) => {
  const entries = [...(await readKeys(table))].map(([key, shape]): [string, WeightTensor] => [
    key,
    { dtype: 'F16', shape, path: 'model.safetensors', byteOffset: 0, byteLength: 0 },
  ]);
  const tensors = new Map(entries);
  const check = () => required(checkNetwork(name, config, sourceOf('model.safetensors', tensors)));
  const { asked, problems } = check();
  expect(problems).toEqual([]);
  const [first, second] = [...asked];
  tensors.delete(first);
  tensors.set(second, { ...required(tensors.get(second)), shape: [3] });
  expect(describeProblems(check().problems)).toMatch(
    new RegExp(`^the weight ${first} .* is missing, and 1 more do not fit$`),
  );
});

it('a network of another kind is left to others', () => {
  expect(checkNetwork('image_encoder', {}, { tensors: new Map() })).toBeUndefined();
});
