/** @file The transformer inside both of CLIP's towers. Reference: transformers, models/clip/modeling_clip.py, CLIPEncoder. */
import {
  add,
  type ConstantSource,
  constant,
  gelu,
  quickGelu,
  scoped,
  type Tensor,
  type Weights,
} from '@sgool/autodiff';
import { type AttentionNames, attentionLayer, layerNormLayer, linearLayer } from '../layers.ts';
import type { ClipTextConfig } from './text-encoder-config.ts';

const NAMES: AttentionNames = { query: 'q_proj', key: 'k_proj', value: 'v_proj', out: 'out_proj' };

/** The keys of a tower's configuration that its transformer needs. */
export type ClipEncoderConfig = Pick<
  ClipTextConfig,
  'num_hidden_layers' | 'num_attention_heads' | 'intermediate_size' | 'hidden_act' | 'layer_norm_eps'
>;

/** What the transformer gives. */
export interface ClipEncoderResult {
  /** After the last layer, [batch, tokens, width]. */
  readonly output: Tensor;
  /** The input, and the output of each layer in order. */
  readonly hiddenStates: readonly Tensor[];
  /** Outputs of the first norm of each layer, in order; Grad-CAM uses the last. */
  readonly normalisedInputs: readonly Tensor[];
}

/**
 * Pre-norm transformer layers: each adds attention and a two-layer perceptron to its input.
 *
 * @param weights scoped to `...encoder`
 * @param x [batch, tokens, width]
 * @param mask added to the scores of every layer
 */
export function clipEncoder(
  config: ClipEncoderConfig,
  weights: Weights,
  x: Tensor,
  mask?: Tensor,
): ClipEncoderResult {
  const { num_attention_heads: heads, layer_norm_eps: eps } = config;
  const activation = config.hidden_act === 'gelu' ? gelu : quickGelu;
  const width = x.shape[2];
  const normalisedInputs: Tensor[] = [];
  const hiddenStates = [x];
  let hidden = x;
  for (let i = 0; i < config.num_hidden_layers; i++) {
    const layer = scoped(weights, `layers.${i}`);
    const normal = layerNormLayer(layer, 'layer_norm1', hidden, eps);
    normalisedInputs.push(normal);
    hidden = add(hidden, attentionLayer(layer, 'self_attn', NAMES, normal, { heads, mask }));
    const wide = linearLayer(
      layer,
      'mlp.fc1',
      layerNormLayer(layer, 'layer_norm2', hidden, eps),
      config.intermediate_size,
    );
    hidden = add(hidden, linearLayer(layer, 'mlp.fc2', activation(wide), width));
    hiddenStates.push(hidden);
  }
  return { output: hidden, hiddenStates, normalisedInputs };
}

const masks = new Map<number, ConstantSource>();

/** The mask [1, 1, length, length] of a causal transformer: 0 on and below the diagonal, -1e9 above it. */
export function causalMask(length: number): Tensor {
  let source = masks.get(length);
  if (!source) {
    const data = Float32Array.from({ length: length * length }, (_, i) =>
      i % length > Math.floor(i / length) ? -1e9 : 0,
    );
    source = { dtype: 'float32', shape: [1, 1, length, length], data };
    masks.set(length, source);
  }
  return constant(source);
}
