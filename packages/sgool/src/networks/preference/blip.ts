/**
 * @file BLIP with a reward on top: ImageReward. Reference: Li et al. 2022, BLIP: Bootstrapping Language-Image Pre-training
 * (image-grounded text encoder); Xu et al. 2023, ImageReward; github.com/THUDM/ImageReward.
 */
import {
  add,
  attention,
  concat,
  div,
  embedding,
  expand,
  gelu,
  mul,
  reshape,
  scoped,
  slice,
  sub,
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
  mergeHeads,
  splitHeads,
} from '../layers.ts';
import type { BlipTextConfig, BlipVisionConfig, ImageRewardConfig } from './blip-config.ts';

/**
 * BLIP's vision transformer: pre-norm layers with a joint projection, and a norm of all tokens at the end.
 *
 * @param weights scoped to `...visual_encoder`
 * @param pixels [batch, 3, image_size, image_size], normalised with `CLIP_MEAN` and `CLIP_STD`
 * @returns [batch, 1 + patches, hidden_size]
 */
export function blipVision(config: BlipVisionConfig, weights: Weights, pixels: Tensor): Tensor {
  const { hidden_size: width, image_size: side, patch_size: patch, layer_norm_eps: eps } = config;
  const [batch] = pixels.shape as [number];
  if (pixels.shape.slice(1).join() !== [3, side, side].join()) {
    throw new UserError(`blip: pixels must be [batch, 3, ${side}, ${side}], got [${pixels.shape}]`);
  }
  const patches = convLayer(weights, 'patch_embed.proj', pixels, width, {
    kernel: patch,
    stride: patch,
    padding: 0,
  });
  const first = expand(weights.get('cls_token', [1, 1, width]), [batch, 1, width]);
  const tokens = concat([first, mapToTokens(patches)], 1);
  let hidden = add(tokens, weights.get('pos_embed', [1, tokens.shape[1], width]));
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

/** Self-attention whose query, key and value come from one projection, one behind the other. */
function jointAttention(weights: Weights, x: Tensor, heads: number): Tensor {
  const width = x.shape[2];
  const joint = linearLayer(weights, 'qkv', x, 3 * width);
  const [query, key, value] = [0, 1, 2].map((i) =>
    splitHeads(slice(joint, [{ axis: 2, start: i * width, end: (i + 1) * width }]), heads),
  ) as [Tensor, Tensor, Tensor];
  return linearLayer(weights, 'proj', mergeHeads(attention(query, key, value)), width);
}

const NAMES: AttentionNames = {
  query: 'self.query',
  key: 'self.key',
  value: 'self.value',
  out: 'output.dense',
};

/**
 * BLIP's text encoder: BERT, whose every layer also looks at the image.
 *
 * @param weights scoped to `...text_encoder`
 * @param ids int32 [batch, tokens]
 * @param words [batch, tokens]: 1 for a word, 0 for padding, which no token looks at
 * @param image [batch, pictureTokens, pictureWidth]
 * @returns [batch, tokens, hidden_size]
 */
export function blipText(
  config: BlipTextConfig,
  weights: Weights,
  ids: Tensor,
  words: Tensor,
  image: Tensor,
): Tensor {
  const { hidden_size: width, num_attention_heads: heads, layer_norm_eps: eps } = config;
  const [batch, length] = ids.shape as [number, number];
  const table = scoped(weights, 'embeddings');
  const positions = table.get('position_embeddings.weight', [config.max_position_embeddings, width]);
  const start = add(
    embedding(ids, table.get('word_embeddings.weight', [config.vocab_size, width])),
    slice(positions, [{ axis: 0, start: 0, end: length }]),
  );
  const mask = reshape(mul(sub(1, words), -10000), [batch, 1, 1, length]);
  let hidden = layerNormLayer(table, 'LayerNorm', start, eps);
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const layer = scoped(weights, `encoder.layer.${i}`);
    const residual = (name: string, change: Tensor) =>
      layerNormLayer(layer, `${name}.LayerNorm`, add(hidden, change), eps);
    hidden = residual('attention.output', attentionLayer(layer, 'attention', NAMES, hidden, { heads, mask }));
    const seen = attentionLayer(layer, 'crossattention', NAMES, hidden, { heads, context: image });
    hidden = residual('crossattention.output', seen);
    const wide = gelu(linearLayer(layer, 'intermediate.dense', hidden, config.intermediate_size));
    hidden = residual('output', linearLayer(layer, 'output.dense', wide, width));
  }
  return hidden;
}

export interface ImageRewardInputs {
  /** [batch, 3, image_size, image_size], normalised with `CLIP_MEAN` and `CLIP_STD`. */
  readonly pixels: Tensor;
  /** int32 [batch, tokens] */
  readonly ids: Tensor;
  /** [batch, tokens]: 1 for a word, 0 for padding. */
  readonly words: Tensor;
}

/** Places of the linear layers between the dropouts of the published code; there are no activations. */
const MLP_LAYERS = [0, 2, 4, 6, 7];

/** ImageReward: rewards [batch], standardised. */
export function imageReward(
  config: ImageRewardConfig,
  weights: Weights,
): (inputs: ImageRewardInputs) => Tensor {
  return ({ pixels, ids, words }) => {
    const image = blipVision(config.vision_config, scoped(weights, 'blip.visual_encoder'), pixels);
    const states = blipText(config.text_config, scoped(weights, 'blip.text_encoder'), ids, words, image);
    const [batch, , width] = states.shape as [number, number, number];
    let hidden = reshape(slice(states, [{ axis: 1, start: 0, end: 1 }]), [batch, width]);
    [...config.mlp, 1].forEach((features, i) => {
      hidden = linearLayer(weights, `mlp.layers.${MLP_LAYERS[i]}`, hidden, features);
    });
    return div(sub(reshape(hidden, [batch]), config.reward_mean), config.reward_std);
  };
}
