/**
 * @file T5's encoder, the large text encoder of Stable Diffusion 3 and Flux.
 *
 * Reference: Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer"; Shazeer 2020, "GLU
 * Variants Improve Transformer"; transformers, models/t5/modeling_t5.py (T5EncoderModel)
 */
import {
  add,
  attention,
  constant,
  embedding,
  gelu,
  geluTanh,
  mul,
  quickGelu,
  relu,
  reshape,
  scoped,
  silu,
  type Tensor,
  transpose,
  type Weights,
} from '@sgool/autodiff';
import { linearLayer, mergeHeads, rmsNormLayer, splitHeads } from '../layers.ts';
import { exactDistances, perceptronOf, type T5Config, type T5Perceptron } from './t5-config.ts';

const ACTIVATIONS: Readonly<Record<T5Perceptron['activation'], (x: Tensor) => Tensor>> = {
  relu,
  gelu,
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  quick_gelu: quickGelu,
  silu,
  swish: silu,
};

/** The parts of the encoder, so that each can be a program of its own. */
export interface T5Encoder {
  /** Token ids [batch, tokens] (int32) to embeddings [batch, tokens, d_model]. */
  embed(ids: Tensor): Tensor;
  /** What every layer adds to its scores, [1, num_heads, tokens, tokens]. It gets no gradient. */
  positionBias(tokens: number): Tensor;
  /**
   * Layer `index`, from 0.
   *
   * @param x [batch, tokens, d_model]
   * @param bias of `positionBias`
   * @returns [batch, tokens, d_model]
   */
  layer(index: number, x: Tensor, bias: Tensor): Tensor;
  /** The norm behind the last layer. */
  finalNorm(x: Tensor): Tensor;
  /**
   * All layers and the final norm. Every token is attended to, padding as well: there is no mask, as in Stable Diffusion 3 and Flux.
   *
   * @param embeddings [batch, tokens, d_model]
   * @returns [batch, tokens, d_model]
   */
  encode(embeddings: Tensor): Tensor;
}

/**
 * A T5EncoderModel.
 *
 * @param weights under transformers' names; the table of tokens is `encoder.embed_tokens.weight`, or `shared.weight` where only that is stored
 */
export function t5Encoder(config: T5Config, weights: Weights): T5Encoder {
  const { d_model: width, d_kv: headWidth, d_ff: wide, num_heads: heads, layer_norm_epsilon: eps } = config;
  const { activation, isGated } = perceptronOf(config.feed_forward_proj);
  const activate = ACTIVATIONS[activation];
  const encoder = scoped(weights, 'encoder');
  const linear = (own: Weights, name: string, x: Tensor, features: number) =>
    linearLayer(own, name, x, features, { bias: false });

  function attend(own: Weights, x: Tensor, bias: Tensor): Tensor {
    const [q, k, v] = ['q', 'k', 'v'].map((name) =>
      splitHeads(linear(own, name, x, heads * headWidth), heads),
    ) as [Tensor, Tensor, Tensor];
    // The scores are not scaled: the weights were initialised for that.
    return linear(own, 'o', mergeHeads(attention(q, k, v, { scale: 1, mask: bias })), width);
  }

  function perceptron(own: Weights, x: Tensor): Tensor {
    const inner = isGated
      ? mul(activate(linear(own, 'wi_0', x, wide)), linear(own, 'wi_1', x, wide))
      : activate(linear(own, 'wi', x, wide));
    return linear(own, 'wo', inner, width);
  }

  const t5: T5Encoder = {
    embed(ids) {
      const name = ['encoder.embed_tokens.weight', 'shared.weight'].find((each) => weights.has(each));
      return embedding(ids, weights.get(name ?? 'shared.weight', [config.vocab_size, width]));
    },
    positionBias(tokens) {
      const buckets = config.relative_attention_num_buckets;
      const name = 'block.0.layer.0.SelfAttention.relative_attention_bias.weight';
      const data = new Int32Array(tokens * tokens);
      for (let i = 0; i < data.length; i++) {
        const [query, key] = [Math.floor(i / tokens), i % tokens];
        data[i] = relativeBucket(key - query, buckets, config.relative_attention_max_distance);
      }
      const indices = constant({ dtype: 'int32', shape: [tokens, tokens], data });
      const bias = embedding(indices, encoder.get(name, [buckets, heads]));
      return reshape(transpose(bias, [2, 0, 1]), [1, heads, tokens, tokens]);
    },
    layer(index, x, bias) {
      const attending = scoped(encoder, `block.${index}.layer.0`);
      const normal = rmsNormLayer(attending, 'layer_norm', x, eps);
      const attended = add(x, attend(scoped(attending, 'SelfAttention'), normal, bias));
      const feeding = scoped(encoder, `block.${index}.layer.1`);
      const inner = rmsNormLayer(feeding, 'layer_norm', attended, eps);
      return add(attended, perceptron(scoped(feeding, 'DenseReluDense'), inner));
    },
    finalNorm: (x) => rmsNormLayer(encoder, 'final_layer_norm', x, eps),
    encode(embeddings) {
      const bias = t5.positionBias(embeddings.shape[1]);
      let x = embeddings;
      for (let i = 0; i < config.num_layers; i++) x = t5.layer(i, x, bias);
      return t5.finalNorm(x);
    },
  };
  return t5;
}

/**
 * The bucket of a distance between two tokens: near ones have one each, far ones share them by the logarithm. The upper half is for tokens
 * behind.
 *
 * Reference: Raffel et al. 2020, section 2.1; transformers, `T5Attention._relative_position_bucket`, whose float32 this repeats
 *
 * @param distance place of the key minus place of the query
 * @param furthest distances from here on share the last bucket
 * @returns from 0 to `buckets` - 1
 */
export function relativeBucket(distance: number, buckets: number, furthest: number): number {
  const half = Math.floor(buckets / 2);
  const exact = exactDistances(buckets);
  const first = distance > 0 ? half : 0;
  const away = Math.abs(distance);
  if (away < exact) return first + away;
  const { fround, log } = Math;
  const share = fround(fround(log(fround(away / exact))) / fround(log(furthest / exact)));
  return first + Math.min(half - 1, exact + Math.floor(fround(share * (half - exact))));
}
