/**
 * @file The denoising network of Stable Diffusion 1.x and 2.x. Reference: diffusers, models/unets/unet_2d_condition.py
 * (UNet2DConditionModel) and unet_2d_blocks.py.
 */
import {
  add,
  checkpoint,
  concat,
  expand,
  reshape,
  scoped,
  silu,
  type Tensor,
  transpose,
  type Weights,
} from '@sgool/autodiff';
import { required, UserError } from '../../errors.ts';
import { convLayer, groupNormLayer, linearLayer, upsampleLayer } from '../layers.ts';
import type { ContextWindows } from '../motion/context-windows.ts';
import type { MotionConfig } from '../motion/motion-config.ts';
import { type MotionNorm, motionModule } from '../motion/motion-module.ts';
import { resnetBlock } from '../resnet-block.ts';
import { crossAttentionLayers } from './cross-attention-layers.ts';
import { type BlockHooks, spatialTransformer } from './spatial-transformer.ts';
import { timestepEmbedding } from './timestep-embedding.ts';
import type { UNetConfig } from './unet-config.ts';

/** The motion modules of a UNet. */
export interface Motion {
  readonly config: MotionConfig;
  /** Under diffusers' names, as `down_blocks.0.motion_modules.0.norm.weight`. */
  readonly weights: Weights;
  /** Default `joint`. */
  readonly norm?: MotionNorm | undefined;
  /** How clips are seen that are longer than a window. Default: as a whole. */
  readonly windows?: ContextWindows | undefined;
}

/** How a UNet is traced. */
export interface UNetOptions {
  /** What mixes the frames of clips. A clip of one frame is a picture: it is not mixed. */
  readonly motion?: Motion | undefined;
  /**
   * Bytes that the largest tensor of a layer may have where the layer sees a clip. Larger ones are computed in pieces: of frames where these
   * are independent, of pixels where the frames are mixed. Default 64 MiB.
   */
  readonly pieceBytes?: number;
  /**
   * Frames of a clip whose work a layer does at once: longer clips are computed in such pieces too, so that what a layer needs beside its input
   * and its output does not grow with the frames. Default 8.
   */
  readonly pieceFrames?: number;
  /** The cross-attentions whose probabilities are wanted. Without it the network is traced as if there were no such option. */
  readonly attentionMaps?: AttentionMaps;
  /** Changes what attention reads with. */
  readonly attentionEdit?: AttentionEdit;
  /** Recompute each block in the backward pass instead of keeping its activations, but for those with `attentionMaps`. */
  readonly checkpointBlocks?: boolean;
}

/**
 * For an attention over a map of rows x columns positions: how its probabilities [batch, heads, rows * columns, keys] are changed before the
 * values are read with them; undefined where they stay. The keys of `self` are the positions, those of `cross` the tokens of the text.
 */
export type AttentionEdit = (layer: {
  readonly kind: 'self' | 'cross';
  readonly rows: number;
  readonly columns: number;
}) => ((probabilities: Tensor) => Tensor) | undefined;

/** Which cross-attentions give their probabilities, and to whom. */
export interface AttentionMaps {
  /** Names of layers, as `crossAttentionLayers` gives them. */
  readonly layers: ReadonlySet<string>;
  /**
   * Called with the name of each of them and its probabilities [batch, heads, h * w, contextTokens], in the order of execution.
   * They are differentiable with respect to inputs and weights.
   */
  readonly report: (name: string, probabilities: Tensor) => void;
}

/** What a UNet reads. */
export interface UNetInputs {
  /**
   * Noisy latents [batch, in_channels, h, w], of any size: maps of an odd side are doubled to the size of their skip. Clips are
   * [batch, in_channels, frames, h, w].
   */
  readonly sample: Tensor;
  /** Timesteps [batch], float32. */
  readonly timestep: Tensor;
  /** Text conditioning [batch, tokens, cross_attention_dim]; of clips also [batch * frames, tokens, cross_attention_dim]. */
  readonly context: Tensor;
  /** A second condition of the time embedding, [batch, time_cond_proj_dim]; only for networks that have that key. */
  readonly timestepCondition?: Tensor;
}

/** Gives the network's prediction (for Stable Diffusion 1.x the noise), [batch, out_channels, h, w]; of clips with their frames. */
export type UNet = (inputs: UNetInputs) => Tensor;

/**
 * A UNet2DConditionModel: a convolution, blocks that halve the map, a middle block, blocks that double it and read the maps
 * of the first half as skips, a convolution. Halves are rounded up, and doubled to the size of the skip.
 *
 * @param weights under diffusers' names
 * @throws RangeError when `attentionMaps` names a layer that the network does not have
 * @throws UserError when the inputs do not fit the configuration
 */
export function unet(
  config: UNetConfig,
  weights: Weights,
  {
    motion,
    attentionMaps,
    attentionEdit,
    checkpointBlocks = false,
    pieceBytes = 2 ** 26,
    pieceFrames = 8,
  }: UNetOptions = {},
): UNet {
  checkLayers(config, attentionMaps);
  return (inputs) => {
    checkInputs(config, inputs);
    const { block_out_channels: channels, norm_num_groups: groups, norm_eps: eps } = config;
    const last = channels.length - 1;
    const frames = inputs.sample.rank === 5 ? inputs.sample.shape[2] : 1;
    if (frames > 1 && !motion) throw new UserError(`unet: clips of ${frames} frames need motion modules`);
    // What does not mix frames sees them as samples of its batch: [batch * frames, ...].
    const sample = framesAsBatch(inputs.sample);
    const context = repeated(inputs.context, sample.shape[0] / inputs.context.shape[0]);
    /** In how many parts of its frames or pixels a layer is computed whose largest tensor has so many numbers. */
    const piecesOf = (numbers: number, parts: number) =>
      frames === 1
        ? 1
        : Math.min(parts, Math.max(Math.ceil((4 * numbers) / pieceBytes), Math.ceil(frames / pieceFrames)));
    /** A layer in parts of its frames. @param numbers of its largest tensor */
    const byFrames = (layer: (maps: Tensor) => Tensor, x: Tensor, numbers: number) => {
      const pieces = piecesOf(numbers, x.shape[0]);
      return pieces === 1 ? layer(x) : checkpoint(layer, { pieces })(x);
    };

    // 1. Time: [batch] -> [batch, 4 * channels[0]]. Every residual block adds a projection of it to its map.
    const activatedTime = repeated(
      silu(timeEmbedding(config, weights, inputs.timestep, inputs.timestepCondition)),
      frames,
    );

    const resnet = (name: string, x: Tensor, width: number) => {
      const at = scoped(weights, name);
      const pieces = piecesOf((x.size / x.shape[1]) * Math.max(x.shape[1], width), x.shape[0]);
      if (!checkpointBlocks && pieces === 1) return resnetBlock(at, x, width, { groups, eps, activatedTime });
      const block = checkpoint(
        (y: Tensor, time: Tensor) => resnetBlock(at, y, width, { groups, eps, activatedTime: time }),
        { pieces },
      );
      return block(x, activatedTime);
    };

    const mixFrames = (name: string, x: Tensor, level: number, inMiddle = false) => {
      if (!motion || frames === 1) return x;
      const { config: own } = motion;
      const [all, , rows, columns] = x.shape as [number, number, number, number];
      return motionModule(scoped(motion.weights, name), x, {
        frames,
        heads: own.motion_num_attention_heads[level],
        layers: inMiddle
          ? own.motion_transformer_layers_per_mid_block
          : own.motion_transformer_layers_per_block[level],
        groups: own.motion_norm_num_groups,
        mostFrames: own.motion_max_seq_length,
        norm: motion.norm ?? 'joint',
        windows: motion.windows,
        pieces: {
          frames: piecesOf(x.size, all),
          pixels: piecesOf(PERCEPTRON * x.size, rows * columns),
        },
        recompute: checkpointBlocks,
      });
    };

    const transformer = (name: string, x: Tensor, level: number) => {
      const at = scoped(weights, name);
      const layers = config.transformer_layers_per_block[level];
      const [, , rows, columns] = x.shape as [number, number, number, number];
      const blocks = Array.from({ length: layers }, (_, i): BlockHooks => {
        const block = `${name}.transformer_blocks.${i}`;
        const edit = (kind: 'self' | 'cross') => attentionEdit?.({ kind, rows, columns });
        return {
          onCrossAttention: attentionMaps?.layers.has(`${block}.attn2`)
            ? (probabilities: Tensor) => attentionMaps.report(`${block}.attn2`, probabilities)
            : undefined,
          editSelfAttention: edit('self'),
          editCrossAttention: edit('cross'),
        };
      });
      const options = {
        heads: config.attention_head_dim[level],
        blocks,
        groups,
        linearProjection: config.use_linear_projection,
      };
      // A block that is computed again would report again, and what it reported first would have no gradient. What changes attention sees
      // the samples of a batch beside each other.
      const isKept = blocks.some((hooks) => Object.values(hooks).some((hook) => hook !== undefined));
      const pieces = isKept ? 1 : piecesOf(PERCEPTRON * x.size, x.shape[0]);
      if (isKept || (!checkpointBlocks && pieces === 1)) return spatialTransformer(at, x, context, options);
      return checkpoint((y: Tensor, text: Tensor) => spatialTransformer(at, y, text, options), { pieces })(
        x,
        context,
      );
    };

    // 2. In: [batch, in_channels, h, w] -> [batch, channels[0], h, w].
    let hidden = convLayer(weights, 'conv_in', sample, channels[0]);
    const skips = [hidden];

    // 3. Down: level i maps to [batch, channels[i], h / 2^i, w / 2^i], rounded up; every map on the way is kept as a skip.
    config.down_block_types.forEach((type, level) => {
      const block = `down_blocks.${level}`;
      for (let i = 0; i < config.layers_per_block[level]; i++) {
        hidden = resnet(`${block}.resnets.${i}`, hidden, channels[level]);
        if (type === 'CrossAttnDownBlock2D') hidden = transformer(`${block}.attentions.${i}`, hidden, level);
        hidden = mixFrames(`${block}.motion_modules.${i}`, hidden, level);
        skips.push(hidden);
      }
      if (level < last) {
        const padding = config.downsample_padding === 0 ? ([0, 0, 1, 1] as const) : 1;
        const down = { stride: 2, padding };
        const name = `${block}.downsamplers.0.conv`;
        const halve = (maps: Tensor) => convLayer(weights, name, maps, channels[level], down);
        hidden = byFrames(halve, hidden, hidden.size);
        skips.push(hidden);
      }
    });

    // 4. Middle, at the smallest size: [batch, channels[last], h / 2^last, w / 2^last].
    if (config.mid_block_type) {
      hidden = resnet('mid_block.resnets.0', hidden, channels[last]);
      hidden = transformer('mid_block.attentions.0', hidden, last);
      if (motion?.config.use_motion_mid_block) {
        hidden = mixFrames('mid_block.motion_modules.0', hidden, last, true);
      }
      hidden = resnet('mid_block.resnets.1', hidden, channels[last]);
    }

    // 5. Up: the levels in reverse. Each residual block reads its input and the latest unread skip, concatenated by channel.
    config.up_block_types.forEach((type, i) => {
      const level = last - i;
      const block = `up_blocks.${i}`;
      for (let j = 0; j < config.layers_per_block[level] + 1; j++) {
        const skip = required(skips.pop(), 'skip');
        hidden = resnet(`${block}.resnets.${j}`, concat([hidden, skip], 1), channels[level]);
        if (type === 'CrossAttnUpBlock2D') hidden = transformer(`${block}.attentions.${j}`, hidden, level);
        hidden = mixFrames(`${block}.motion_modules.${j}`, hidden, level);
      }
      if (level > 0) {
        const [, , rows, columns] = required(skips.at(-1), 'skip').shape as [number, number, number, number];
        const name = `${block}.upsamplers.0.conv`;
        const double = (maps: Tensor) => upsampleLayer(weights, name, maps, channels[level], [rows, columns]);
        hidden = byFrames(double, hidden, 4 * hidden.size);
      }
    });

    // 6. Out: [batch, channels[0], h, w] -> [batch, out_channels, h, w].
    const toPrediction = (maps: Tensor) => {
      const normal = groupNormLayer(weights, 'conv_norm_out', maps, groups, eps, { silu: true });
      return convLayer(weights, 'conv_out', normal, config.out_channels);
    };
    return batchAsFrames(byFrames(toPrediction, hidden, hidden.size), inputs.sample.shape);
  };
}

/** Widest tensor of a transformer over its input: the two halves of its gated perceptron. */
const PERCEPTRON = 8;

/** [batch, channels, frames, h, w] to [batch * frames, channels, h, w]; pictures stay as they are. */
function framesAsBatch(sample: Tensor): Tensor {
  if (sample.rank === 4) return sample;
  const [batch, channels, frames, rows, columns] = sample.shape;
  return reshape(transpose(sample, [0, 2, 1, 3, 4]), [batch * frames, channels, rows, columns]);
}

/** The inverse, for maps of other channels. @param shape of the clips, or the pictures */
function batchAsFrames(maps: Tensor, shape: readonly number[]): Tensor {
  if (shape.length === 4) return maps;
  const [batch, , frames, rows, columns] = shape;
  return transpose(reshape(maps, [batch, frames, maps.shape[1], rows, columns]), [0, 2, 1, 3, 4]);
}

/** Each sample of a batch so many times, one behind the other: [batch, ...] to [batch * times, ...]. */
function repeated(x: Tensor, times: number): Tensor {
  if (times === 1) return x;
  const [batch, ...others] = x.shape;
  return reshape(expand(reshape(x, [batch, 1, ...others]), [batch, times, ...others]), [
    batch * times,
    ...others,
  ]);
}

/** Sinusoids of the timestep, and the condition where there is one, through two linear layers: [batch, 4 * first width]. */
function timeEmbedding(config: UNetConfig, weights: Weights, timestep: Tensor, condition?: Tensor): Tensor {
  const width = config.block_out_channels[0];
  const waves = timestepEmbedding(timestep, width, {
    flipSinToCos: config.flip_sin_to_cos,
    freqShift: config.freq_shift,
  });
  const embedded = condition
    ? add(waves, linearLayer(weights, 'time_embedding.cond_proj', condition, width, { bias: false }))
    : waves;
  const hidden = silu(linearLayer(weights, 'time_embedding.linear_1', embedded, 4 * width));
  return linearLayer(weights, 'time_embedding.linear_2', hidden, 4 * width);
}

function checkLayers(config: UNetConfig, attentionMaps: AttentionMaps | undefined): void {
  if (!attentionMaps) return;
  const known = new Set(crossAttentionLayers(config, 1, 1).map(({ name }) => name));
  const unknown = [...attentionMaps.layers].find((name) => !known.has(name));
  if (unknown !== undefined) {
    throw new RangeError(`unet: no cross-attention ${unknown}; there are ${[...known].join(', ')}`);
  }
}

function checkInputs(
  config: UNetConfig,
  { sample, timestep, context, timestepCondition: condition }: UNetInputs,
): void {
  const [batch, channels] = sample.shape;
  if ((sample.rank !== 4 && sample.rank !== 5) || channels !== config.in_channels) {
    throw new UserError(
      `unet: sample must be [batch, ${config.in_channels}, h, w], or with frames before h, got [${sample.shape}]`,
    );
  }
  if (timestep.rank !== 1 || timestep.shape[0] !== batch) {
    throw new UserError(`unet: timestep must be [${batch}], got [${timestep.shape}]`);
  }
  const contextWidth = config.cross_attention_dim[0];
  const texts = [batch, ...(sample.rank === 5 ? [batch * sample.shape[2]] : [])];
  if (context.rank !== 3 || !texts.includes(context.shape[0]) || context.shape[2] !== contextWidth) {
    throw new UserError(`unet: context must be [${batch}, tokens, ${contextWidth}], got [${context.shape}]`);
  }
  const wanted = config.time_cond_proj_dim ? `[${batch}, ${config.time_cond_proj_dim}]` : 'left out';
  const got = condition ? `[${condition.shape.join(', ')}]` : 'left out';
  if (got !== wanted) throw new UserError(`unet: timestepCondition must be ${wanted}, got ${got}`);
}
