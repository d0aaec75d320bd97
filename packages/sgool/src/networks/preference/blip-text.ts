/** @file BLIP's image-grounded text encoder. Reference: Li et al. 2022, BLIP: Bootstrapping Language-Image Pre-training; salesforce/BLIP, models/med.py. */
import {
  add,
  embedding,
  gelu,
  mul,
  reshape,
  scoped,
  slice,
  sub,
  type Tensor,
  type Weights,
} from '@sgool/autodiff';
import { type AttentionNames, attentionLayer, layerNormLayer, linearLayer } from '../layers.ts';
import type { BlipTextConfig } from './image-reward-config.ts';

const NAMES: AttentionNames = {
  query: 'self.query',
  key: 'self.key',
  value: 'self.value',
  out: 'output.dense',
};

/**
 * BLIP's text encoder: BERT with cross-attention to the image in every layer.
 *
 * @param weights scoped to `...text_encoder`
 * @param ids int32 [batch, tokens]
 * @param words [batch, tokens]: 1 for a word, 0 for padding, which no token attends to
 * @param image [batch, imageTokens, imageWidth]
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
  // Word plus position: [batch, tokens, hidden_size].
  const table = scoped(weights, 'embeddings');
  const positions = table.get('position_embeddings.weight', [config.max_position_embeddings, width]);
  const start = add(
    embedding(ids, table.get('word_embeddings.weight', [config.vocab_size, width])),
    slice(positions, [{ axis: 0, start: 0, end: length }]),
  );
  const mask = reshape(mul(sub(1, words), -10000), [batch, 1, 1, length]);
  // Each layer: self-attention, cross-attention, perceptron; a layer norm after each residual sum (post-norm).
  let hidden = layerNormLayer(table, 'LayerNorm', start, eps);
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const layer = scoped(weights, `encoder.layer.${i}`);
    const residual = (name: string, change: Tensor) =>
      layerNormLayer(layer, `${name}.LayerNorm`, add(hidden, change), eps);
    hidden = residual('attention.output', attentionLayer(layer, 'attention', NAMES, hidden, { heads, mask }));
    const attended = attentionLayer(layer, 'crossattention', NAMES, hidden, { heads, context: image });
    hidden = residual('crossattention.output', attended);
    const wide = gelu(linearLayer(layer, 'intermediate.dense', hidden, config.intermediate_size));
    hidden = residual('output', linearLayer(layer, 'output.dense', wide, width));
  }
  return hidden;
}
