/** @file Layers that the networks share. Each gets its weights by the names of the corresponding torch module. */
import {
  add,
  attention,
  attentionWithProbabilities,
  conv2d,
  div,
  geglu,
  groupNorm,
  groupNormSilu,
  layerNorm,
  linear,
  matmul,
  mean,
  mul,
  type Padding,
  reshape,
  resizeNearestTo,
  scoped,
  split,
  sqrt,
  square,
  type Tensor,
  transpose,
  upsampledConv2d,
  type Weights,
} from '@sgool/autodiff';

/** `x @ weightᵀ + bias` over the last axis, with `<name>.weight` [outFeatures, inFeatures] and `<name>.bias`. */
export function linearLayer(
  weights: Weights,
  name: string,
  x: Tensor,
  outFeatures: number,
  { bias = true }: { bias?: boolean } = {},
): Tensor {
  const inFeatures = x.shape[x.rank - 1];
  const weight = weights.get(`${name}.weight`, [outFeatures, inFeatures]);
  return linear(x, weight, bias ? weights.get(`${name}.bias`, [outFeatures]) : undefined);
}

/** Geometry of a convolution. */
export interface ConvLayerOptions {
  /** Side of the kernel. Default 3. */
  readonly kernel?: number;
  readonly stride?: number;
  /** Zeros around the map. Default: those that keep its size at stride 1. */
  readonly padding?: Padding;
  readonly bias?: boolean;
}

/**
 * Convolution of [batch, channels, h, w], with `<name>.weight` [outChannels, channels, kernel, kernel] and `<name>.bias`
 * [outChannels].
 */
export function convLayer(
  weights: Weights,
  name: string,
  x: Tensor,
  outChannels: number,
  { kernel = 3, stride = 1, padding = (kernel - 1) / 2, bias = true }: ConvLayerOptions = {},
): Tensor {
  const weight = weights.get(`${name}.weight`, [outChannels, x.shape[1], kernel, kernel]);
  return conv2d(x, weight, bias ? weights.get(`${name}.bias`, [outChannels]) : undefined, {
    stride,
    padding,
  });
}

/**
 * 3x3 convolution of [batch, channels, h, w] after nearest-neighbour upsampling: [batch, outChannels, height, width].
 *
 * @param size height and width of the result. Default twice those of x
 */
export function upsampleLayer(
  weights: Weights,
  name: string,
  x: Tensor,
  outChannels: number,
  [height, width]: readonly [number, number] = [2 * x.shape[2], 2 * x.shape[3]],
): Tensor {
  const weight = weights.get(`${name}.weight`, [outChannels, x.shape[1], 3, 3]);
  const bias = weights.get(`${name}.bias`, [outChannels]);
  if (height === 2 * x.shape[2] && width === 2 * x.shape[3]) return upsampledConv2d(x, weight, bias);
  return conv2d(resizeNearestTo(x, height, width), weight, bias, { padding: 1 });
}

/** Group norm of [batch, channels, ...], with `<name>.weight` and `<name>.bias` [channels], optionally followed by SiLU. */
export function groupNormLayer(
  weights: Weights,
  name: string,
  x: Tensor,
  groups: number,
  eps: number,
  { silu = false }: { silu?: boolean } = {},
): Tensor {
  const channels = [x.shape[1]];
  const norm = silu ? groupNormSilu : groupNorm;
  return norm(x, groups, weights.get(`${name}.weight`, channels), weights.get(`${name}.bias`, channels), eps);
}

/** Layer norm over the last axis, with `<name>.weight` and `<name>.bias` [width]. */
export function layerNormLayer(weights: Weights, name: string, x: Tensor, eps = 1e-5): Tensor {
  const width = [x.shape[x.rank - 1]];
  return layerNorm(x, weights.get(`${name}.weight`, width), weights.get(`${name}.bias`, width), eps);
}

/** `x weight / sqrt(mean(x²) + ε)` over the last axis, with `<name>.weight` [width]. Reference: torch.nn.RMSNorm. */
export function rmsNormLayer(weights: Weights, name: string, x: Tensor, eps = 1e-6): Tensor {
  const weight = weights.get(`${name}.weight`, [x.shape[x.rank - 1]]);
  return mul(div(x, sqrt(add(mean(square(x), { axes: [-1], keepDims: true }), eps))), weight);
}

/**
 * A perceptron of four times the width, gated by as many more (GEGLU), with the linear layers `<name>.0.proj` and `<name>.2`.
 *
 * @param x [..., width]
 * @returns the same shape
 *
 * Reference: diffusers, models/attention.py (FeedForward with GEGLU).
 */
export function gatedPerceptron(weights: Weights, name: string, x: Tensor): Tensor {
  const width = x.shape[x.rank - 1];
  const wide = linearLayer(weights, `${name}.0.proj`, x, 8 * width);
  const [value, gate] = split(wide, [4 * width, 4 * width], x.rank - 1) as [Tensor, Tensor];
  return linearLayer(weights, `${name}.2`, geglu(value, gate), width);
}

/** [batch, tokens, width] to [batch, heads, tokens, width / heads]. */
export function splitHeads(x: Tensor, heads: number): Tensor {
  const [batch, tokens, width] = x.shape as [number, number, number];
  return transpose(reshape(x, [batch, tokens, heads, width / heads]), [0, 2, 1, 3]);
}

/** [batch, heads, tokens, headWidth] to [batch, tokens, heads * headWidth]. */
export function mergeHeads(x: Tensor): Tensor {
  const [batch, heads, tokens, headWidth] = x.shape as [number, number, number, number];
  return reshape(transpose(x, [0, 2, 1, 3]), [batch, tokens, heads * headWidth]);
}

/** [batch, channels, h, w] to [batch, h * w, channels], row by row. */
export function mapToTokens(x: Tensor): Tensor {
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  return transpose(reshape(x, [batch, channels, height * width]), [0, 2, 1]);
}

/** [batch, height * width, channels] to [batch, channels, height, width]. */
export function tokensToMap(x: Tensor, height: number, width: number): Tensor {
  const [batch, , channels] = x.shape as [number, number, number];
  return reshape(transpose(x, [0, 2, 1]), [batch, channels, height, width]);
}

/** Names of the four projections of an attention layer. */
export interface AttentionNames {
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly out: string;
}

/** How an attention layer is traced. */
export interface AttentionLayerOptions {
  readonly heads: number;
  /** What keys and values are projected from, [batch, keys, contextWidth]. Default: the tokens themselves. */
  readonly context?: Tensor;
  /** Whether query, key and value have a bias. Default true; the output projection always has one. */
  readonly bias?: boolean;
  /** Added to the scores; broadcasts to [batch, heads, queries, keys]. */
  readonly mask?: Tensor;
  /** Called with the attention probabilities, [batch, heads, queries, keys]. */
  readonly onProbabilities?: ((probabilities: Tensor) => void) | undefined;
  /** Gives the probabilities that values are read with, from those that were computed. */
  readonly editProbabilities?: ((probabilities: Tensor) => Tensor) | undefined;
}

/** Multi-head attention of [batch, queries, width]; the result has the same shape. */
export function attentionLayer(
  weights: Weights,
  name: string,
  names: AttentionNames,
  x: Tensor,
  { heads, context = x, bias = true, mask, onProbabilities, editProbabilities }: AttentionLayerOptions,
): Tensor {
  const width = x.shape[2];
  const own = scoped(weights, name);
  const project = (part: string, from: Tensor) =>
    splitHeads(linearLayer(own, part, from, width, { bias }), heads);
  const q = project(names.query, x);
  const [k, v] = [project(names.key, context), project(names.value, context)];
  // Without the probabilities, attention need not hold them whole in memory.
  if (!onProbabilities && !editProbabilities) {
    return linearLayer(own, names.out, mergeHeads(attention(q, k, v, { mask })), width);
  }
  const { output, probabilities } = attentionWithProbabilities(q, k, v, { mask });
  onProbabilities?.(probabilities);
  const read = editProbabilities ? matmul(editProbabilities(probabilities), v) : output;
  return linearLayer(own, names.out, mergeHeads(read), width);
}
