import { describe, expect, it } from 'vitest';
import { clipConfig } from '../../networks/clip/clip-config.ts';
import { weightSource } from '../formats/weight-source.ts';
import { inferClipConfig, inferTextConfig, inferUNetConfig, inferVaeConfig } from './infer-config.ts';

/** Weights of which only names and shapes are known. */
const shapes = (all: Record<string, readonly number[]>) =>
  weightSource({
    path: 'model',
    tensors: new Map(
      Object.entries(all).map(([name, shape]) => [
        name,
        { path: 'model', realPath: 'model', dtype: 'F32', shape, byteOffset: 0, byteLength: 0 } as const,
      ]),
    ),
  });

const TEXT = {
  'embeddings.token_embedding.weight': [49408, 768],
  'embeddings.position_embedding.weight': [77, 768],
  'encoder.layers.0.mlp.fc1.weight': [3072, 768],
  'encoder.layers.1.mlp.fc1.weight': [3072, 768],
  'encoder.layers.3.mlp.fc1.weight': [3072, 768],
};
const prefixed = (prefix: string, all: Record<string, readonly number[]>) =>
  Object.fromEntries(Object.entries(all).map(([name, shape]) => [prefix + name, shape]));

describe('a text tower', () => {
  const expected = {
    vocab_size: 49408,
    hidden_size: 768,
    max_position_embeddings: 77,
    num_hidden_layers: 2,
    intermediate_size: 3072,
    num_attention_heads: 12,
    hidden_act: 'gelu',
  };
  it('has its sizes, with and without text_model, and layers up to the first gap', () => {
    expect(inferTextConfig(shapes(TEXT), 'gelu')).toEqual(expected);
    expect(inferTextConfig(shapes(prefixed('text_model.', TEXT)), 'gelu')).toEqual(expected);
  });

  it('is named where a weight has another number of sizes', () => {
    const wrong = { ...TEXT, 'embeddings.token_embedding.weight': [10, 768, 1] };
    expect(() => inferTextConfig(shapes(wrong), 'gelu')).toThrow(
      /^model: weight embeddings\.token_embedding\.weight has shape \[10,768,1\]; 2 sizes/,
    );
  });

  it('has a head for each 64 channels, and one at least', () => {
    const of = (width: number) =>
      inferTextConfig(shapes({ ...TEXT, 'embeddings.token_embedding.weight': [10, width] }), 'gelu')
        .num_attention_heads;
    expect([32, 64, 127, 128, 1024].map(of)).toEqual([1, 1, 1, 2, 16]);
  });
});

describe('a CLIP', () => {
  const clip = (width: number, patch: number, positions: number) =>
    shapes({
      ...prefixed('text_model.', TEXT),
      'vision_model.embeddings.patch_embedding.weight': [width, 3, patch, patch],
      'vision_model.embeddings.position_embedding.weight': [positions, width],
      'vision_model.encoder.layers.0.mlp.fc1.weight': [4 * width, width],
      'visual_projection.weight': [512, width],
    });

  it.each([
    { width: 768, patch: 32, positions: 50, side: 224, heads: 12 },
    { width: 1024, patch: 14, positions: 257, side: 224, heads: 16 },
    { width: 1024, patch: 14, positions: 577, side: 336, heads: 16 },
    { width: 1280, patch: 14, positions: 257, side: 224, heads: 16 },
    { width: 1408, patch: 14, positions: 257, side: 224, heads: 16 },
    { width: 1664, patch: 14, positions: 257, side: 224, heads: 16 },
    { width: 64, patch: 8, positions: 2, side: 8, heads: 1 },
  ])('of $width channels sees $side pixels with $heads heads', ({ width, patch, positions, side, heads }) => {
    const config = inferClipConfig(clip(width, patch, positions), 'quick_gelu');
    expect(config).toMatchObject({
      projection_dim: 512,
      vision_config: {
        hidden_size: width,
        patch_size: patch,
        image_size: side,
        num_attention_heads: heads,
        num_hidden_layers: 1,
        intermediate_size: 4 * width,
        hidden_act: 'quick_gelu',
      },
      text_config: { num_attention_heads: 12, hidden_act: 'quick_gelu' },
    });
    expect(() => clipConfig(config)).not.toThrow();
  });

  it('takes other heads where they are known', () => {
    expect(inferClipConfig(clip(768, 32, 50), 'gelu', { visionHeadWidth: 96, textHeads: 8 })).toMatchObject({
      vision_config: { num_attention_heads: 8 },
      text_config: { num_attention_heads: 8 },
    });
  });
});

it('an autoencoder has the sizes of its convolutions', () => {
  const all = {
    'encoder.down_blocks.0.resnets.0.conv1.weight': [128, 128, 3, 3],
    'encoder.down_blocks.0.resnets.1.conv1.weight': [128, 128, 3, 3],
    'encoder.down_blocks.1.resnets.0.conv1.weight': [256, 128, 3, 3],
    'decoder.conv_in.weight': [512, 4, 3, 3],
  };
  const config = {
    _class_name: 'AutoencoderKL',
    block_out_channels: [128, 256],
    layers_per_block: 2,
    latent_channels: 4,
    use_quant_conv: false,
    use_post_quant_conv: false,
    scaling_factor: 0.18215,
  };
  expect(inferVaeConfig(shapes(all))).toEqual(config);
  expect(
    inferVaeConfig(
      shapes({ ...all, 'quant_conv.weight': [8, 8, 1, 1], 'post_quant_conv.weight': [4, 4, 1, 1] }),
    ),
  ).toEqual({
    ...config,
    use_quant_conv: true,
    use_post_quant_conv: true,
  });
});

describe('a UNet', () => {
  const unet = (more: Record<string, readonly number[]> = {}) =>
    shapes({
      'conv_in.weight': [320, 4, 3, 3],
      'conv_out.weight': [5, 320, 3, 3],
      'down_blocks.0.resnets.0.conv2.weight': [320, 320, 3, 3],
      'down_blocks.0.resnets.1.conv2.weight': [320, 320, 3, 3],
      'down_blocks.0.attentions.0.proj_in.weight': [320, 320, 1, 1],
      'down_blocks.1.resnets.0.conv2.weight': [640, 640, 3, 3],
      'up_blocks.1.attentions.0.proj_in.weight': [320, 320, 1, 1],
      'mid_block.attentions.0.proj_in.weight': [640, 640, 1, 1],
      'mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight': [640, 768],
      ...more,
    });
  const config = {
    _class_name: 'UNet2DConditionModel',
    in_channels: 4,
    out_channels: 5,
    block_out_channels: [320, 640],
    layers_per_block: 2,
    down_block_types: ['CrossAttnDownBlock2D', 'DownBlock2D'],
    up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D'],
    cross_attention_dim: 768,
    transformer_layers_per_block: 1,
    use_linear_projection: false,
    attention_head_dim: 8,
  };

  it('of Stable Diffusion 1 has eight heads everywhere', () => {
    expect(inferUNetConfig(unet())).toEqual(config);
  });

  it('of Stable Diffusion 2 has linear projections and a head for each 64 channels', () => {
    expect(inferUNetConfig(unet({ 'mid_block.attentions.0.proj_in.weight': [640, 640] }))).toEqual({
      ...config,
      use_linear_projection: true,
      attention_head_dim: [5, 10],
    });
  });

  it('of a latent consistency model has an input for the guidance', () => {
    const lcm = unet({ 'time_embedding.cond_proj.weight': [320, 256] });
    expect(inferUNetConfig(lcm)).toEqual({ ...config, time_cond_proj_dim: 256 });
  });
});
