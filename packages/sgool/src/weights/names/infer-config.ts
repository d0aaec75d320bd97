/**
 * @file Configurations inferred from names and shapes, for files without a `config.json`. What shapes do not determine (numbers
 * of heads and groups, activations) is taken from the published models of that kind.
 *
 * Reference: CompVis/stable-diffusion, configs/stable-diffusion/v1-inference.yaml; Stability-AI/stablediffusion,
 * configs/stable-diffusion/v2-inference-v.yaml; openai/CLIP, clip/model.py (build_model)
 */
import { UserError } from '../../errors.ts';
import type { WeightSource } from '../formats/weight-source.ts';
import type { Config } from '../sources/read-config.ts';

/** Width of an attention head in Stable Diffusion 2 and in CLIP's text towers. */
const HEAD_WIDTH = 64;
/** Heads of every block of Stable Diffusion 1. */
const SD1_HEADS = 8;
/** Width of a vision head in OpenCLIP's larger models (H, g, bigG), by the width of the tower. */
const VISION_HEAD_WIDTHS: Readonly<Record<number, number>> = { 1280: 80, 1408: 88, 1664: 104 };

/** The shape of a weight. @throws UserError where it has another number of axes */
export function shapeOf(source: WeightSource, name: string, rank: number): readonly number[] {
  const { shape } = source.get(name);
  if (shape.length !== rank || shape.includes(0)) {
    throw new UserError(`${source.path}: weight ${name} has shape [${shape}]; ${rank} sizes are expected`);
  }
  return shape;
}

/** The number of consecutive names `prefix0`, `prefix1`, ... */
export function countOf(source: WeightSource, prefix: string): number {
  const numbers = new Set<number>();
  for (const name of source.tensors.keys()) {
    if (!name.startsWith(prefix)) continue;
    const [, number] = /^(\d+)\./.exec(name.slice(prefix.length)) ?? [];
    if (number !== undefined) numbers.add(Number(number));
  }
  let count = 0;
  while (numbers.has(count)) count++;
  return count;
}

export const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);
const startsWith = (source: WeightSource, prefix: string) =>
  source.names().some((name) => name.startsWith(prefix));

/** Number of heads for a width, at least one. */
export function heads(width: number, headWidth = HEAD_WIDTH): number {
  return Math.max(1, Math.floor(width / headWidth));
}

/** A weight that only latent consistency models have. */
const GUIDANCE_INPUT = 'time_embedding.cond_proj.weight';

/** Configuration of a UNet2DConditionModel, from its weights under diffusers' names. */
export function inferUNetConfig(source: WeightSource): Config {
  const blocks = upTo(countOf(source, 'down_blocks.'));
  const channels = blocks.map((i) => shapeOf(source, `down_blocks.${i}.resnets.0.conv2.weight`, 4)[0]);
  const cross = (side: string) => (i: number) => startsWith(source, `${side}_blocks.${i}.attentions.`);
  const name = (side: string, title: string) => (i: number) =>
    `${cross(side)(i) ? 'CrossAttn' : ''}${title}Block2D`;
  const middle = 'mid_block.attentions.0';
  const linear = source.get(`${middle}.proj_in.weight`).shape.length === 2;
  return {
    _class_name: 'UNet2DConditionModel',
    in_channels: shapeOf(source, 'conv_in.weight', 4)[1],
    out_channels: shapeOf(source, 'conv_out.weight', 4)[0],
    block_out_channels: channels,
    layers_per_block: countOf(source, 'down_blocks.0.resnets.'),
    down_block_types: blocks.map(name('down', 'Down')),
    up_block_types: blocks.map(name('up', 'Up')),
    cross_attention_dim: shapeOf(source, `${middle}.transformer_blocks.0.attn2.to_k.weight`, 2)[1],
    transformer_layers_per_block: countOf(source, `${middle}.transformer_blocks.`),
    use_linear_projection: linear,
    ...(source.has(GUIDANCE_INPUT) ? { time_cond_proj_dim: shapeOf(source, GUIDANCE_INPUT, 2)[1] } : {}),
    attention_head_dim: linear ? channels.map((width) => heads(width)) : SD1_HEADS,
  };
}

/** Configuration of an AutoencoderKL, from its weights under diffusers' names. */
export function inferVaeConfig(source: WeightSource): Config {
  const blocks = upTo(countOf(source, 'encoder.down_blocks.'));
  return {
    _class_name: 'AutoencoderKL',
    block_out_channels: blocks.map(
      (i) => shapeOf(source, `encoder.down_blocks.${i}.resnets.0.conv1.weight`, 4)[0],
    ),
    layers_per_block: countOf(source, 'encoder.down_blocks.0.resnets.'),
    latent_channels: shapeOf(source, 'decoder.conv_in.weight', 4)[1],
    use_quant_conv: source.has('quant_conv.weight'),
    use_post_quant_conv: source.has('post_quant_conv.weight'),
    scaling_factor: 0.18215,
  };
}

/** Configuration of a CLIP text tower; names may or may not begin with `text_model.`. */
export function inferTextConfig(source: WeightSource, activation: 'quick_gelu' | 'gelu'): Config {
  const prefix = startsWith(source, 'text_model.') ? 'text_model.' : '';
  const [words, width] = shapeOf(source, `${prefix}embeddings.token_embedding.weight`, 2);
  return {
    vocab_size: words,
    hidden_size: width,
    max_position_embeddings: shapeOf(source, `${prefix}embeddings.position_embedding.weight`, 2)[0],
    num_hidden_layers: countOf(source, `${prefix}encoder.layers.`),
    intermediate_size: shapeOf(source, `${prefix}encoder.layers.0.mlp.fc1.weight`, 2)[0],
    num_attention_heads: heads(width),
    hidden_act: activation,
  };
}

/**
 * Configuration of a CLIPModel.
 *
 * @param visionHeadWidth width of a head of the image tower. Default: 64, in OpenCLIP's wide models more
 * @param textHeads heads of the text tower. Default: one for each 64 channels
 */
export function inferClipConfig(
  source: WeightSource,
  activation: 'quick_gelu' | 'gelu',
  { visionHeadWidth, textHeads }: { readonly visionHeadWidth?: number; readonly textHeads?: number } = {},
): Config {
  const [width, , patch] = shapeOf(source, 'vision_model.embeddings.patch_embedding.weight', 4);
  const [positions] = shapeOf(source, 'vision_model.embeddings.position_embedding.weight', 2);
  const headWidth = visionHeadWidth ?? VISION_HEAD_WIDTHS[width];
  return {
    text_config: {
      ...inferTextConfig(source, activation),
      ...(textHeads === undefined ? {} : { num_attention_heads: textHeads }),
    },
    vision_config: {
      hidden_size: width,
      patch_size: patch,
      image_size: patch * Math.round(Math.sqrt(positions - 1)),
      num_hidden_layers: countOf(source, 'vision_model.encoder.layers.'),
      intermediate_size: shapeOf(source, 'vision_model.encoder.layers.0.mlp.fc1.weight', 2)[0],
      num_attention_heads: heads(width, headWidth),
      hidden_act: activation,
    },
    projection_dim: shapeOf(source, 'visual_projection.weight', 2)[0],
  };
}
