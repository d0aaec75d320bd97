/**
 * @file Configurations of the networks of flow models, inferred from names and shapes.
 *
 * Reference: Stability-AI/sd3.5, sd3_impls.py (BaseModel); black-forest-labs/flux, src/flux/util.py (configs); transformers,
 * models/t5/configuration_t5.py; google/t5-v1_1-xxl, config.json
 */
import { UserError } from '../../errors.ts';
import type { WeightSource } from '../formats/weight-source.ts';
import type { Config } from '../sources/read-config.ts';
import { countOf, heads, inferTextConfig, shapeOf, upTo } from './infer-config.ts';

const QUERY_NORM = 'transformer_blocks.0.attn.norm_q.weight';

/** What both transformers say alike: widths of the text, number of blocks, number and width of heads. */
function common(source: WeightSource, width: number): Config {
  const headWidth = source.has(QUERY_NORM) ? shapeOf(source, QUERY_NORM, 1)[0] : undefined;
  const count = heads(width, headWidth);
  return {
    num_layers: countOf(source, 'transformer_blocks.'),
    num_attention_heads: count,
    attention_head_dim: width / count,
    joint_attention_dim: shapeOf(source, 'context_embedder.weight', 2)[1],
    pooled_projection_dim: shapeOf(source, 'time_text_embed.text_embedder.linear_1.weight', 2)[1],
  };
}

/**
 * Configuration of an SD3Transformer2DModel, from its weights under diffusers' names. Where its queries are not normalised, nothing says
 * how wide its heads are: 64 channels, as in all published ones.
 */
export function inferSd3Config(source: WeightSource): Config {
  const [width, channels, patch] = shapeOf(source, 'pos_embed.proj.weight', 4);
  const settings = common(source, width);
  const layers = upTo(Number(settings.num_layers));
  return {
    _class_name: 'SD3Transformer2DModel',
    ...settings,
    sample_size: 128,
    patch_size: patch,
    in_channels: channels,
    out_channels: shapeOf(source, 'proj_out.weight', 2)[0] / patch ** 2,
    caption_projection_dim: width,
    pos_embed_max_size: Math.round(Math.sqrt(shapeOf(source, 'pos_embed.pos_embed', 3)[1])),
    qk_norm: source.has(QUERY_NORM) ? 'rms_norm' : null,
    dual_attention_layers: layers.filter((i) => source.has(`transformer_blocks.${i}.attn2.to_q.weight`)),
  };
}

/** How the 128 channels of a head are rotated: by a place of its own, by row and by column. */
const FLUX_HEAD = 128;
const FLUX_AXES = [16, 56, 56];

/**
 * Configuration of a FluxTransformer2DModel, from its weights under diffusers' names.
 *
 * @throws UserError where the heads are not as wide as in the published models, since no shape says how they are rotated
 */
export function inferFluxConfig(source: WeightSource): Config {
  const [width, channels] = shapeOf(source, 'x_embedder.weight', 2);
  const settings = common(source, width);
  if (settings.attention_head_dim !== FLUX_HEAD) {
    throw new UserError(
      `${source.path}: heads of ${settings.attention_head_dim} channels, and nothing says how they are rotated (axes_dims_rope); give a folder with transformer/config.json with the option config`,
    );
  }
  return {
    _class_name: 'FluxTransformer2DModel',
    ...settings,
    patch_size: 1,
    in_channels: channels,
    out_channels: shapeOf(source, 'proj_out.weight', 2)[0],
    num_single_layers: countOf(source, 'single_transformer_blocks.'),
    axes_dims_rope: FLUX_AXES,
    guidance_embeds: source.has('time_text_embed.guidance_embedder.linear_1.weight'),
  };
}

/** Configuration of a CLIP's text tower with its projection; one without is that of Stable Diffusion 3, which does not project. */
export function inferProjectedTextConfig(source: WeightSource, activation: 'quick_gelu' | 'gelu'): Config {
  const config = inferTextConfig(source, activation);
  const projection = 'text_projection.weight';
  return {
    architectures: ['CLIPTextModelWithProjection'],
    model_type: 'clip_text_model',
    ...config,
    // As in the published files: the end token is the largest id.
    eos_token_id: 2,
    projection_dim: source.has(projection) ? shapeOf(source, projection, 2)[0] : config.hidden_size,
  };
}

const T5_ATTENTION = 'encoder.block.0.layer.0.SelfAttention';
const T5_FORWARD = 'encoder.block.0.layer.1.DenseReluDense';

/** Name of a weight that every T5 encoder has. */
export const T5_MARK = `${T5_ATTENTION}.q.weight`;

/** Name of T5's embeddings; files may have a second copy. */
const T5_WORDS = ['shared.weight', 'encoder.embed_tokens.weight'];

/** Configuration of a T5EncoderModel. @throws UserError for a T5 of the first version, whose perceptron has no gate */
export function inferT5Config(source: WeightSource): Config {
  if (!source.has(`${T5_FORWARD}.wi_0.weight`)) {
    throw new UserError(
      `${source.path}: a T5 of the first version, which is not supported; use one of version 1.1, such as t5xxl_fp16.safetensors`,
    );
  }
  const [words, width] = shapeOf(source, T5_WORDS.find((name) => source.has(name)) ?? T5_WORDS[0], 2);
  const [buckets, count] = shapeOf(source, `${T5_ATTENTION}.relative_attention_bias.weight`, 2);
  return {
    architectures: ['T5EncoderModel'],
    model_type: 't5',
    vocab_size: words,
    d_model: width,
    d_kv: shapeOf(source, T5_MARK, 2)[0] / count,
    d_ff: shapeOf(source, `${T5_FORWARD}.wi_0.weight`, 2)[0],
    num_layers: countOf(source, 'encoder.block.'),
    num_heads: count,
    relative_attention_num_buckets: buckets,
    relative_attention_max_distance: 128,
    feed_forward_proj: 'gated-gelu',
    layer_norm_epsilon: 1e-6,
  };
}
