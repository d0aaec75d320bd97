/** @file BLIP's image encoder. Reference: Li et al. 2022, BLIP: Bootstrapping Language-Image Pre-training; salesforce/BLIP, models/vit.py. */
import {
  add,
  attention,
  concat,
  expand,
  gelu,
  scoped,
  slice,
  type Tensor,
  type Weights,
} from '@sgool/autodiff';
import { UserError } from '../../errors.ts';
import { convLayer, layerNormLayer, linearLayer, mapToTokens, mergeHeads, splitHeads } from '../layers.ts';
import type { BlipVisionConfig } from './image-reward-config.ts';

/**
 * BLIP's image encoder: pre-norm transformer layers whose attention has one joint projection, and a layer norm at the end.
 *
 * @param weights scoped to `...visual_encoder`
 * @param pixels [batch, 3, image_size, image_size], normalised with `CLIP_MEAN` and `CLIP_STD`
 * @returns [batch, 1 + patches, hidden_size]
 */
export function blipVision(config: BlipVisionConfig, weights: Weights, pixels: Tensor): Tensor {
  const { hidden_size: width, image_size: side, patch_size: patch, layer_norm_eps: eps } = config;
  const [batch] = pixels.shape as [number];
  if (pixels.shape.slice(1).join() !== [3, side, side].join()) {
    throw new UserError(`blipVision: pixels must be [batch, 3, ${side}, ${side}], got [${pixels.shape}]`);
  }
  // Patches to tokens, the class token first, plus positions: [batch, 1 + patches, hidden_size].
  const patches = convLayer(weights, 'patch_embed.proj', pixels, width, {
    kernel: patch,
    stride: patch,
    padding: 0,
  });
  const first = expand(weights.get('cls_token', [1, 1, width]), [batch, 1, width]);
  const tokens = concat([first, mapToTokens(patches)], 1);
  let hidden = add(tokens, weights.get('pos_embed', [1, tokens.shape[1], width]));
  // Each layer: attention, then a two-layer perceptron, both residual.
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const block = scoped(weights, `blocks.${i}`);
    const normal = layerNormLayer(block, 'norm1', hidden, eps);
    hidden = add(hidden, jointAttention(scoped(block, 'attn'), normal, config.num_attention_heads));
    const wide = linearLayer(
      block,
      'mlp.fc1',
      layerNormLayer(block, 'norm2', hidden, eps),
      config.intermediate_size,
    );
    hidden = add(hidden, linearLayer(block, 'mlp.fc2', gelu(wide), width));
  }
  return layerNormLayer(weights, 'norm', hidden, eps);
}

/** Self-attention of [batch, tokens, width] whose query, key and value are thirds of one projection. */
function jointAttention(weights: Weights, x: Tensor, heads: number): Tensor {
  const width = x.shape[2];
  const joint = linearLayer(weights, 'qkv', x, 3 * width);
  const [query, key, value] = [0, 1, 2].map((i) =>
    splitHeads(slice(joint, [{ axis: 2, start: i * width, end: (i + 1) * width }]), heads),
  ) as [Tensor, Tensor, Tensor];
  return linearLayer(weights, 'proj', mergeHeads(attention(query, key, value)), width);
}
