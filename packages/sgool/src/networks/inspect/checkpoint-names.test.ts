import { input, type Shape, type Tensor, trace, type Weights } from '@sgool/autodiff';
import { expect, it } from 'vitest';
import { autoencoder } from '../autoencoder/autoencoder.ts';
import { autoencoderConfig } from '../autoencoder/autoencoder-config.ts';
import { clip } from '../clip/clip.ts';
import { clipConfig } from '../clip/clip-config.ts';
import { motionConfig } from '../motion/motion-config.ts';
import { transalnet } from '../saliency/transalnet.ts';
import { transalnetConfig } from '../saliency/transalnet-config.ts';
import { readKeys } from '../testing.ts';
import { textEncoder } from '../text/text-encoder.ts';
import { clipTextConfig } from '../text/text-encoder-config.ts';
import { crossAttentionLayers } from '../unet/cross-attention-layers.ts';
import { unet } from '../unet/unet.ts';
import { unetConfig } from '../unet/unet-config.ts';

/** Weights that only remember what was asked for, as a trainer's would. */
function recordingWeights(): { weights: Weights; asked: Map<string, Shape> } {
  const asked = new Map<string, Shape>();
  const tensors = new Map<string, Tensor>();
  return {
    asked,
    weights: {
      has: () => false,
      get(name, shape) {
        const tensor = tensors.get(name) ?? input(name, shape);
        tensors.set(name, tensor);
        asked.set(name, shape);
        return tensor;
      },
    },
  };
}

async function expectSameNames(table: string, build: (weights: Weights) => void) {
  const { weights, asked } = recordingWeights();
  trace({}, () => {
    build(weights);
    return {};
  });
  const published = [...(await readKeys(table))].filter(
    ([name]) => !/position_ids$|num_batches_tracked$|pos_embed\.pe$/.test(name),
  );
  const sorted = (entries: Iterable<[string, Shape]>) => [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
  expect(sorted(asked)).toEqual(sorted(published));
}

const SD14_UNET = {
  act_fn: 'silu',
  attention_head_dim: 8,
  block_out_channels: [320, 640, 1280, 1280],
  center_input_sample: false,
  cross_attention_dim: 768,
  down_block_types: ['CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'CrossAttnDownBlock2D', 'DownBlock2D'],
  downsample_padding: 1,
  flip_sin_to_cos: true,
  freq_shift: 0,
  in_channels: 4,
  layers_per_block: 2,
  mid_block_scale_factor: 1,
  norm_eps: 1e-5,
  norm_num_groups: 32,
  out_channels: 4,
  sample_size: 64,
  up_block_types: ['UpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D', 'CrossAttnUpBlock2D'],
};

it('the UNet asks for exactly the tensors of Stable Diffusion 1.4, and names its cross-attentions', async () => {
  const maps = new Map<string, Shape>();
  const config = unetConfig(SD14_UNET);
  const attentionMaps = {
    layers: new Set(crossAttentionLayers(config, 64, 64).map(({ name }) => name)),
    report: (name: string, probabilities: Tensor) => void maps.set(name, probabilities.shape),
  };
  await expectSameNames('sd14_unet', (weights) => {
    const noise = unet(config, weights, { attentionMaps })({
      sample: input('sample', [1, 4, 64, 64]),
      timestep: input('timestep', [1]),
      context: input('context', [1, 77, 768]),
    });
    expect(noise.shape).toEqual([1, 4, 64, 64]);
  });
  expect(maps.size).toBe(16);
  expect([...maps.values()].filter((shape) => shape[2] === 256)).toHaveLength(5);
  expect(maps.get('mid_block.attentions.0.transformer_blocks.0.attn2')).toEqual([1, 8, 64, 77]);
});

it('motion modules ask for exactly the tensors of the published adapter v2, but for the tables of positions', async () => {
  const config = unetConfig(SD14_UNET);
  const { weights: own } = recordingWeights();
  await expectSameNames('motion_adapter_v2', (weights) => {
    const noise = unet(config, own, { motion: { config: motionConfig({}), weights } })({
      sample: input('sample', [1, 4, 2, 8, 8]),
      timestep: input('timestep', [1]),
      context: input('context', [1, 77, 768]),
    });
    expect(noise.shape).toEqual([1, 4, 2, 8, 8]);
  });
});

it('the autoencoder asks for exactly the tensors of Stable Diffusion 1.4', async () => {
  const config = autoencoderConfig({
    block_out_channels: [128, 256, 512, 512],
    layers_per_block: 2,
    latent_channels: 4,
    sample_size: 512,
  });
  await expectSameNames('sd14_vae', (weights) => {
    const vae = autoencoder(config, weights);
    expect(vae.encode(input('image', [1, 3, 512, 512])).mean.shape).toEqual([1, 4, 64, 64]);
    expect(vae.decode(input('latent', [1, 4, 64, 64])).shape).toEqual([1, 3, 512, 512]);
  });
});

it('the text encoder asks for exactly the tensors of Stable Diffusion 1.4', async () => {
  const config = clipTextConfig({ hidden_size: 768, intermediate_size: 3072, num_attention_heads: 12 });
  await expectSameNames('sd14_text_encoder', (weights) => {
    const { lastHiddenState } = textEncoder(config, weights)(input('ids', [1, 77], 'int32'));
    expect(lastHiddenState.shape).toEqual([1, 77, 768]);
  });
});

it('CLIP with an empty configuration asks for exactly the tensors of ViT-B/32', async () => {
  await expectSameNames('clip_vit_b32_hf', (weights) => {
    const model = clip(clipConfig({}), weights);
    expect(model.image(input('pixels', [1, 3, 224, 224])).embedding.shape).toEqual([1, 512]);
    model.text(input('ids', [1, 77], 'int32'), input('end', [1], 'int32'));
    model.logitScale();
  });
});

it.each(['res', 'dense'] as const)(
  'TranSalNet (%s) asks for exactly the tensors of the published file',
  async (variant) => {
    await expectSameNames(`transalnet_${variant}`, (weights) => {
      const map = transalnet(transalnetConfig({ variant }), weights)(input('image', [1, 3, 288, 384]));
      expect(map.shape).toEqual([1, 1, 288, 384]);
    });
  },
);
