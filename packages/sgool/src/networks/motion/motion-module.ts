/**
 * @file The transformer in which the frames of a clip attend to each other, pixel by pixel.
 *
 * Reference: Guo et al. 2023, "AnimateDiff: Animate Your Personalized Text-to-Image Diffusion Models without Specific Tuning"; diffusers,
 * models/unets/unet_motion_model.py (AnimateDiffTransformer3D), models/attention.py (BasicTransformerBlock).
 */
import {
  add,
  attention,
  checkpoint,
  concat,
  constant,
  div,
  expand,
  mean,
  mul,
  reshape,
  scoped,
  slice,
  split,
  sqrt,
  square,
  sub,
  type Tensor,
  transpose,
  type Weights,
} from '@sgool/autodiff';
import { UserError } from '../../errors.ts';
import { gatedPerceptron, layerNormLayer, linearLayer } from '../layers.ts';
import { type ContextWindows, overWindows } from './context-windows.ts';

/**
 * What the group norm of a motion module standardises: all frames of a clip together, as diffusers does, or each frame by itself, as the
 * published AnimateDiff does.
 */
export const MOTION_NORMS = ['joint', 'frame'] as const;
export type MotionNorm = (typeof MOTION_NORMS)[number];

/** Sizes of a motion module, and how it is computed. */
export interface MotionModuleOptions {
  /** Frames of each clip. */
  readonly frames: number;
  readonly heads: number;
  readonly groups: number;
  /** Transformer layers. */
  readonly layers: number;
  /** Most frames: the length of the table of positions. */
  readonly mostFrames: number;
  readonly norm: MotionNorm;
  /** How clips of more frames are seen. Without it there are none. */
  readonly windows?: ContextWindows | undefined;
  /** Number of pieces along the frames for the statistics, and along the pixels for all else. More than one is computed again backward. */
  readonly pieces: { readonly frames: number; readonly pixels: number };
  /** Whether the backward pass computes the activations again instead of keeping them. */
  readonly recompute: boolean;
}

const NORM_EPS = 1e-6;

/**
 * A residual branch over maps: group norm, projection, transformer layers over the frames of each pixel, projection, plus the input.
 *
 * @param weights scoped to the module
 * @param x [clips * frames, channels, h, w], the frames of a clip one behind the other
 * @returns the same shape
 * @throws UserError where there are more frames than positions
 */
export function motionModule(weights: Weights, x: Tensor, options: MotionModuleOptions): Tensor {
  const { frames, mostFrames, layers, pieces, recompute, windows } = options;
  const seen = Math.min(frames, windows?.frames ?? frames);
  if (seen > mostFrames) {
    throw new UserError(
      `motion: ${seen} frames at once are more than the table of positions of the motion modules has; there must be at most ${mostFrames}`,
    );
  }
  const [all, channels, rows, columns] = x.shape as [number, number, number, number];
  const clips = reshape(x, [all / frames, frames, channels, rows * columns]);
  const standard = standardised(weights, x, options);
  const mix = (part: Tensor): Tensor => {
    const normal = transpose(standard(part), [0, 1, 3, 2]);
    let tokens = linearLayer(weights, 'proj_in', normal, channels);
    for (let i = 0; i < layers; i++) {
      tokens = transformerLayer(scoped(weights, `transformer_blocks.${i}`), tokens, options);
    }
    return add(transpose(linearLayer(weights, 'proj_out', tokens, channels), [0, 1, 3, 2]), part);
  };
  const mixed =
    recompute || pieces.pixels > 1 ? checkpoint(mix, { pieces: pieces.pixels, axis: 3 })(clips) : mix(clips);
  return reshape(mixed, x.shape);
}

/**
 * The group norm of a part of the pixels, by statistics of all of them. These are put together from those of single frames:
 * the mean of means, and the mean of variances plus the variance of means.
 */
function standardised(
  weights: Weights,
  x: Tensor,
  { frames, groups, norm, pieces, recompute }: MotionModuleOptions,
): (part: Tensor) => Tensor {
  const [all, channels] = x.shape as [number, number];
  const ofFrames = (maps: Tensor): Tensor => {
    const flat = reshape(maps, [maps.shape[0], groups, -1]);
    const along = { axes: [2], keepDims: true };
    const centre = mean(flat, along);
    return concat([centre, mean(square(sub(flat, centre)), along)], 2);
  };
  const moments =
    recompute || pieces.frames > 1 ? checkpoint(ofFrames, { pieces: pieces.frames })(x) : ofFrames(x);
  let [centre, variance] = split(reshape(moments, [all / frames, frames, groups, 2]), [1, 1], 3) as [
    Tensor,
    Tensor,
  ];
  if (norm === 'joint') {
    const overFrames = { axes: [1], keepDims: true };
    const common = mean(centre, overFrames);
    variance = mean(add(variance, square(sub(centre, common))), overFrames);
    centre = common;
  }
  /** [clips, frames or 1, groups, 1] for each channel. */
  const perChannel = (t: Tensor) => {
    const [clips, times] = t.shape as [number, number];
    return reshape(expand(t, [clips, times, groups, channels / groups]), [clips, times, channels, 1]);
  };
  const weight = reshape(weights.get('norm.weight', [channels]), [channels, 1]);
  const bias = reshape(weights.get('norm.bias', [channels]), [channels, 1]);
  const shift = perChannel(centre);
  const scale = mul(perChannel(div(1, sqrt(add(variance, NORM_EPS)))), weight);
  return (part) => add(mul(sub(part, shift), scale), bias);
}

/** Two self-attentions over the frames, each of which sees their positions, and a gated perceptron. @param x [clips, frames, pixels, width] */
function transformerLayer(
  weights: Weights,
  x: Tensor,
  { heads, mostFrames, windows }: Pick<MotionModuleOptions, 'heads' | 'mostFrames' | 'windows'>,
): Tensor {
  const attend = (frames: Tensor): Tensor => {
    const positions = positionsOf(weights, frames, mostFrames);
    let tokens = frames;
    for (const i of [1, 2]) {
      const seen = add(layerNormLayer(weights, `norm${i}`, tokens), positions);
      tokens = add(attentionOverFrames(scoped(weights, `attn${i}`), seen, heads), tokens);
    }
    return tokens;
  };
  const tokens = windows ? overWindows(x, windows, attend) : attend(x);
  return add(gatedPerceptron(weights, 'ff.net', layerNormLayer(weights, 'norm3', tokens)), tokens);
}

/** Self-attention over the frames of each pixel. @param x [clips, frames, pixels, width] */
function attentionOverFrames(weights: Weights, x: Tensor, heads: number): Tensor {
  const [clips, frames, pixels, width] = x.shape as [number, number, number, number];
  const headWidth = width / heads;
  const project = (name: string) => {
    const projected = linearLayer(weights, name, x, width, { bias: false });
    const apart = transpose(reshape(projected, [clips, frames, pixels, heads, headWidth]), [0, 2, 3, 1, 4]);
    return reshape(apart, [clips * pixels, heads, frames, headWidth]);
  };
  const read = attention(project('to_q'), project('to_k'), project('to_v'));
  const together = transpose(reshape(read, [clips, pixels, heads, frames, headWidth]), [0, 3, 1, 2, 4]);
  return linearLayer(weights, 'to_out.0', reshape(together, x.shape), width);
}

/** The table of the file, or the sinusoids that it was made of: [frames, 1, width]. */
function positionsOf(weights: Weights, x: Tensor, mostFrames: number): Tensor {
  const [, frames, , width] = x.shape as [number, number, number, number];
  const table = weights.has(TABLE)
    ? weights.get(TABLE, [1, mostFrames, width])
    : constant({
        dtype: 'float32',
        shape: [1, mostFrames, width],
        data: sinusoidalPositions(mostFrames, width),
      });
  return reshape(slice(table, [{ axis: 1, start: 0, end: frames }]), [frames, 1, width]);
}

const TABLE = 'pos_embed.pe';

/**
 * The table of positions that adapters have as `pos_embed.pe`; it is not trained. Sines on even channels, cosines on odd ones, of
 * position · 10000^(-2i / width).
 *
 * Reference: Vaswani et al. 2017, "Attention Is All You Need", section 3.5; diffusers, models/embeddings.py
 * (SinusoidalPositionalEmbedding).
 *
 * @returns [length, width]
 */
export function sinusoidalPositions(length: number, width: number): Float32Array {
  const table = new Float32Array(length * width);
  for (let position = 0; position < length; position++) {
    for (let i = 0; i < width; i++) {
      const angle = position * Math.exp((-Math.log(10_000) * (i - (i % 2))) / width);
      table[position * width + i] = i % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
    }
  }
  return table;
}
