/**
 * @file TranSalNet: a network that predicts where people look in an image. Reference: Lou, Lin, Marshall, Saupe, Liu 2022, TranSalNet: Towards
 * perceptually relevant visual saliency prediction; github.com/LJOVO/TranSalNet.
 */
import {
  add,
  gelu,
  mul,
  relu,
  resizeNearest,
  scoped,
  sigmoid,
  type Tensor,
  type Weights,
} from '@sgool/autodiff';
import { UserError } from '../../errors.ts';
import {
  type AttentionNames,
  attentionLayer,
  convLayer,
  layerNormLayer,
  linearLayer,
  mapToTokens,
  tokensToMap,
} from '../layers.ts';
import { backbone } from './backbone.ts';
import { type BatchNormOptions, batchNormLayers } from './batch-norm.ts';
import type { TranSalNetConfig } from './transalnet-config.ts';

const NAMES: AttentionNames = { query: 'query', key: 'key', value: 'value', out: 'out' };

/** Image [batch, 3, H, W] in [0, 1], not normalised further, to a saliency map [batch, 1, H, W] in (0, 1). */
export type TranSalNet = (image: Tensor) => Tensor;

/**
 * A TranSalNet_Res or TranSalNet_Dense, of the published size unless configured otherwise: a convolutional encoder, a small
 * transformer on each of three of its maps, and a decoder that joins them from the smallest to the largest.
 *
 * @param weights under the authors' names
 * @throws UserError when the image has another shape than the configuration says
 */
export function transalnet(
  config: TranSalNetConfig,
  weights: Weights,
  options: BatchNormOptions = {},
): TranSalNet {
  const norm = batchNormLayers(weights, options);
  return (image) => {
    const [height, width] = config.image_size;
    if (image.rank !== 4 || image.shape[1] !== 3 || image.shape[2] !== height || image.shape[3] !== width) {
      throw new UserError(`transalnet: image must be [batch, 3, ${height}, ${width}], got [${image.shape}]`);
    }
    // 1. Encoder: maps of 1/8, 1/16 and 1/32 of the image's size.
    const [eighth, sixteenth, thirtySecond] = backbone(config, weights, norm, image);
    const encode = (number: 1 | 2 | 3, tap: Tensor) =>
      transEncoder(scoped(weights, `decoder.TransEncoder${number}`), config, number, tap);
    const refine = (number: number, x: Tensor, channels: number) =>
      relu(norm(`decoder.batchnorm${number}`, convLayer(weights, `decoder.conv${number}`, x, channels)));
    const up = (x: Tensor) => resizeNearest(x, 2);

    const [, middle, wide] = config.hidden_sizes;
    const [width3, width4, width5, width6] = config.decoder_widths;
    // 2. Decoder. [batch, middle, H / 16, W / 16], gated by the map of that size:
    let hidden = up(refine(1, encode(1, thirtySecond), middle));
    hidden = relu(mul(hidden, encode(2, sixteenth)));
    // [batch, wide, H / 8, W / 8], gated by the map of that size:
    hidden = up(refine(2, hidden, wide));
    hidden = relu(mul(hidden, encode(3, eighth)));
    // Up to the image's size, [batch, width5, H, W]:
    hidden = up(refine(3, hidden, width3));
    hidden = up(refine(4, hidden, width4));
    hidden = up(refine(5, hidden, width5));
    // 3. Out: [batch, width6, H, W] -> [batch, 1, H, W] in (0, 1).
    hidden = refine(6, hidden, width6);
    return sigmoid(convLayer(weights, 'decoder.conv7', hidden, 1));
  };
}

/** A small pre-norm transformer over the positions of one map: [batch, channels, h, w] -> [batch, hidden_size, h, w]. */
function transEncoder(weights: Weights, config: TranSalNetConfig, number: 1 | 2 | 3, tap: Tensor): Tensor {
  const [, , height, width] = tap.shape as [number, number, number, number];
  const hiddenSize = config.hidden_sizes[number - 1];
  const heads = config.heads[number - 1];
  const patches = mapToTokens(convLayer(weights, 'patch_embeddings', tap, hiddenSize, { kernel: 1 }));
  let tokens = add(patches, weights.get('position_embeddings', [1, height * width, hiddenSize]));
  const encoder = scoped(weights, 'transformer_encoder');
  for (let i = 0; i < config.transformer_layers; i++) {
    const layer = scoped(encoder, `layer.${i}`);
    const attended = layerNormLayer(layer, 'attention_norm', tokens, 1e-6);
    tokens = add(tokens, attentionLayer(layer, 'attn', NAMES, attended, { heads }));
    const normal = layerNormLayer(layer, 'ffn_norm', tokens, 1e-6);
    const wide = gelu(linearLayer(layer, 'ffn.fc1', normal, config.mlp_ratio * hiddenSize));
    tokens = add(tokens, linearLayer(layer, 'ffn.fc2', wide, hiddenSize));
  }
  return tokensToMap(layerNormLayer(encoder, 'encoder_norm', tokens, 1e-6), height, width);
}
