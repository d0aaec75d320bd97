/**
 * @file The transformer in which a map attends to itself and to the text. Reference: diffusers,
 * models/transformers/transformer_2d.py, models/attention.py (BasicTransformerBlock, GEGLU).
 */
import { add, scoped, type Tensor, type Weights } from '@sgool/autodiff';
import {
  type AttentionNames,
  attentionLayer,
  convLayer,
  gatedPerceptron,
  groupNormLayer,
  layerNormLayer,
  linearLayer,
  mapToTokens,
  tokensToMap,
} from '../layers.ts';

const NAMES: AttentionNames = { query: 'to_q', key: 'to_k', value: 'to_v', out: 'to_out.0' };

/** Who looks at a transformer block while it is traced. */
export interface BlockHooks {
  /** Gets its cross-attention probabilities [batch, heads, h * w, contextTokens]. */
  readonly onCrossAttention?: ((probabilities: Tensor) => void) | undefined;
  /** Changes its self-attention probabilities [batch, heads, h * w, h * w]. */
  readonly editSelfAttention?: ((probabilities: Tensor) => Tensor) | undefined;
  /** Changes its cross-attention probabilities. */
  readonly editCrossAttention?: ((probabilities: Tensor) => Tensor) | undefined;
}

/** Sizes of a spatial transformer. */
export interface SpatialTransformerOptions {
  readonly heads: number;
  /** One for each transformer block. */
  readonly blocks: readonly BlockHooks[];
  readonly groups: number;
  /** Project tokens with a linear layer (Stable Diffusion 2) instead of maps with a 1x1 convolution. */
  readonly linearProjection: boolean;
}

/**
 * A residual branch over a map: group norm, projection, transformer blocks, projection, plus the input.
 *
 * @param weights scoped to the transformer
 * @param x [batch, channels, h, w]
 * @param context [batch, contextTokens, contextWidth]
 * @returns [batch, channels, h, w]
 */
export function spatialTransformer(
  weights: Weights,
  x: Tensor,
  context: Tensor,
  { heads, blocks, groups, linearProjection }: SpatialTransformerOptions,
): Tensor {
  const [, channels, height, width] = x.shape as [number, number, number, number];
  // Map to tokens, [batch, h * w, channels]. A 1x1 convolution and a linear layer over tokens are the same operation.
  const normal = groupNormLayer(weights, 'norm', x, groups, 1e-6);
  let tokens = linearProjection
    ? linearLayer(weights, 'proj_in', mapToTokens(normal), channels)
    : mapToTokens(convLayer(weights, 'proj_in', normal, channels, { kernel: 1 }));
  for (const [i, hooks] of blocks.entries()) {
    tokens = transformerBlock(scoped(weights, `transformer_blocks.${i}`), tokens, context, heads, hooks);
  }
  // Tokens back to a map, [batch, channels, h, w].
  const projected = linearProjection
    ? tokensToMap(linearLayer(weights, 'proj_out', tokens, channels), height, width)
    : convLayer(weights, 'proj_out', tokensToMap(tokens, height, width), channels, { kernel: 1 });
  return add(projected, x);
}

/** Self-attention, cross-attention and a gated perceptron, each with layer norm before it and a residual sum after it. */
function transformerBlock(
  weights: Weights,
  x: Tensor,
  context: Tensor,
  heads: number,
  { onCrossAttention, editSelfAttention, editCrossAttention }: BlockHooks,
): Tensor {
  const own = { heads, bias: false };
  const self = { ...own, editProbabilities: editSelfAttention };
  let tokens = add(attentionLayer(weights, 'attn1', NAMES, layerNormLayer(weights, 'norm1', x), self), x);
  const cross = {
    ...own,
    context,
    onProbabilities: onCrossAttention,
    editProbabilities: editCrossAttention,
  };
  tokens = add(
    attentionLayer(weights, 'attn2', NAMES, layerNormLayer(weights, 'norm2', tokens), cross),
    tokens,
  );
  return add(gatedPerceptron(weights, 'ff.net', layerNormLayer(weights, 'norm3', tokens)), tokens);
}
