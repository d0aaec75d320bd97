/**
 * @file The autoencoder between images and latents. Reference: diffusers, models/autoencoders/{autoencoder_kl,vae}.py;
 * Rombach et al. 2022, High-Resolution Image Synthesis with Latent Diffusion Models.
 */
import { add, checkpoint, clip, scoped, split, type Tensor, type Weights } from '@sgool/autodiff';
import {
  type AttentionNames,
  attentionLayer,
  convLayer,
  groupNormLayer,
  mapToTokens,
  tokensToMap,
  upsampleLayer,
} from '../layers.ts';
import { resnetBlock } from '../resnet-block.ts';
import type { AutoencoderConfig } from './autoencoder-config.ts';

const EPS = 1e-6;

/** The published float32 file and the float16 one have different names for the same attention. */
const OLD_NAMES: AttentionNames = { query: 'query', key: 'key', value: 'value', out: 'proj_attn' };
const NEW_NAMES: AttentionNames = { query: 'to_q', key: 'to_k', value: 'to_v', out: 'to_out.0' };

/** A Gaussian over latents, before scaling by `scaling_factor`. */
export interface LatentDistribution {
  /** [batch, latentChannels, h, w] */
  readonly mean: Tensor;
  /** Logarithm of the variance, clamped to [-30, 20], of the same shape. */
  readonly logvar: Tensor;
}

/** Both directions; only what is called is traced. */
export interface Autoencoder {
  /** Images [batch, 3, H, W] in [-1, 1] to their distribution; H and W are multiples of the total stride, 2^(blocks - 1). */
  encode(image: Tensor): LatentDistribution;
  /** Latents [batch, latentChannels, h, w], already divided by `scaling_factor`, to images near [-1, 1]. */
  decode(latent: Tensor): Tensor;
}

/** How an autoencoder is traced. */
export interface AutoencoderOptions {
  /** Recompute each block in the backward pass instead of keeping its activations. */
  readonly checkpointBlocks?: boolean;
}

/**
 * An AutoencoderKL. The UNet's latent is `scaling_factor` times a sample of what `encode` gives.
 *
 * @param weights under diffusers' names, with either set of names for its attention
 */
export function autoencoder(
  config: AutoencoderConfig,
  weights: Weights,
  { checkpointBlocks = false }: AutoencoderOptions = {},
): Autoencoder {
  const { block_out_channels: channels, norm_num_groups: groups, latent_channels: latentChannels } = config;
  const deepest = channels[channels.length - 1];
  const run = (block: (x: Tensor) => Tensor, x: Tensor) =>
    checkpointBlocks ? checkpoint(block)(x) : block(x);

  const resnets = (at: Weights, x: Tensor, outChannels: number, count: number) => {
    let hidden = x;
    for (let i = 0; i < count; i++) {
      hidden = run(
        (y) => resnetBlock(scoped(at, `resnets.${i}`), y, outChannels, { groups, eps: EPS }),
        hidden,
      );
    }
    return hidden;
  };

  const middle = (at: Weights, x: Tensor) => {
    let hidden = run((y) => resnetBlock(scoped(at, 'resnets.0'), y, deepest, { groups, eps: EPS }), x);
    if (config.mid_block_add_attention) hidden = run((y) => mapAttention(at, y, groups), hidden);
    return run((y) => resnetBlock(scoped(at, 'resnets.1'), y, deepest, { groups, eps: EPS }), hidden);
  };

  const head = (at: Weights, x: Tensor, outChannels: number) =>
    convLayer(
      at,
      'conv_out',
      groupNormLayer(at, 'conv_norm_out', x, groups, EPS, { silu: true }),
      outChannels,
    );

  return {
    encode(image) {
      const at = scoped(weights, 'encoder');
      // In: [batch, 3, H, W] -> [batch, channels[0], H, W]. Down: block i halves the map, except the last.
      let hidden = convLayer(at, 'conv_in', image, channels[0]);
      channels.forEach((width, i) => {
        const block = scoped(at, `down_blocks.${i}`);
        hidden = resnets(block, hidden, width, config.layers_per_block);
        if (i < channels.length - 1) {
          // One row and column of zeros at the end of the map only: the published weights were trained like that.
          const padding = [0, 0, 1, 1] as const;
          hidden = convLayer(block, 'downsamplers.0.conv', hidden, width, { stride: 2, padding });
        }
      });
      // Middle and out: [batch, 2 * latentChannels, h, w], mean and logarithm of the variance.
      let moments = head(at, middle(scoped(at, 'mid_block'), hidden), 2 * latentChannels);
      if (config.use_quant_conv) {
        moments = convLayer(weights, 'quant_conv', moments, 2 * latentChannels, { kernel: 1 });
      }
      const [mean, logvar] = split(moments, [latentChannels, latentChannels], 1) as [Tensor, Tensor];
      return { mean, logvar: clip(logvar, -30, 20) };
    },

    decode(latent) {
      const at = scoped(weights, 'decoder');
      // In and middle: [batch, latentChannels, h, w] -> [batch, channels[last], h, w].
      const start = config.use_post_quant_conv
        ? convLayer(weights, 'post_quant_conv', latent, latentChannels, { kernel: 1 })
        : latent;
      let hidden = middle(scoped(at, 'mid_block'), convLayer(at, 'conv_in', start, deepest));
      // Up: block i doubles the map, except the last; then out: [batch, 3, H, W].
      channels.toReversed().forEach((width, i) => {
        const block = scoped(at, `up_blocks.${i}`);
        hidden = resnets(block, hidden, width, config.layers_per_block + 1);
        if (i < channels.length - 1) {
          hidden = upsampleLayer(block, 'upsamplers.0.conv', hidden, width);
        }
      });
      return head(at, hidden, config.out_channels);
    },
  };
}

/** Self-attention with one head over the positions of a map. */
function mapAttention(weights: Weights, x: Tensor, groups: number): Tensor {
  const name = 'attentions.0';
  const old = weights.has(`${name}.query.weight`) && !weights.has(`${name}.to_q.weight`);
  const tokens = mapToTokens(groupNormLayer(weights, `${name}.group_norm`, x, groups, EPS));
  const attended = attentionLayer(weights, name, old ? OLD_NAMES : NEW_NAMES, tokens, { heads: 1 });
  return add(tokensToMap(attended, x.shape[2], x.shape[3]), x);
}
