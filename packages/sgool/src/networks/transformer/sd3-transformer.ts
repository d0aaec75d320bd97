/**
 * @file The transformer of Stable Diffusion 3 and 3.5: picture and text tokens attend to each other in every block.
 *
 * Reference: Esser et al. 2024, "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis"; diffusers,
 * models/transformers/transformer_sd3.py, models/attention.py (JointTransformerBlock).
 */
import {
  add,
  checkpoint,
  concat,
  constant,
  mul,
  reshape,
  scoped,
  slice,
  split,
  type Tensor,
  type Weights,
} from '@sgool/autodiff';
import { convLayer, linearLayer, mapToTokens } from '../layers.ts';
import { conditionVector } from './condition.ts';
import { feedForward, IMAGE_STREAM, streamAttention, TEXT_STREAM } from './joint-attention.ts';
import { lastNorm, modulatedNorm, modulation } from './modulation.ts';
import { fromPatches } from './patches.ts';
import type { Sd3Config } from './sd3-config.ts';

export interface Sd3Inputs {
  /** [batch, channels, h, w]; h and w multiples of the patch size, at most pos_embed_max_size patches each */
  readonly sample: Tensor;
  /** [batch], 1000 times sigma */
  readonly timestep: Tensor;
  /** Embeddings of the prompt's tokens, [batch, tokens, jointWidth]. */
  readonly context: Tensor;
  /** Pooled embeddings of the prompt, [batch, pooledWidth]. */
  readonly pooled: Tensor;
  /**
   * How many embeddings of zeros follow the context: 256 in the place of T5 where there is none. Default 0. They are alike in every block, so
   * one of them is computed, and attention counts it so often: the result is that of all of them.
   */
  readonly emptyTokens?: number;
}

/** What the transformer gives. */
export interface Sd3States {
  /** Of the shape of the latent. */
  readonly velocity: Tensor;
  /** The picture's tokens after each block, in order, each [batch, places, width]: row by row of the grid of patches. */
  readonly hiddenStates: readonly Tensor[];
}

/** How a transformer is traced. */
export interface Sd3Call {
  /** Blocks that are left out, from 0. Default none. */
  readonly skippedLayers?: readonly number[];
}

export interface TransformerOptions {
  /** Compute the inside of each block again in the backward pass. Default false. */
  readonly checkpointBlocks?: boolean;
}

/**
 * The transformer with its weights: from a noised latent to its velocity, of the same shape. Blocks that are skipped leave the tokens as
 * they are, as diffusers' `skip_layers` does.
 *
 * @throws RangeError where a latent does not fit the patches or the table of places
 */
export function sd3Transformer(
  config: Sd3Config,
  weights: Weights,
  options: TransformerOptions = {},
): (inputs: Sd3Inputs, call?: Sd3Call) => Tensor {
  const states = sd3TransformerStates(config, weights, options);
  return (inputs, call) => states(inputs, call).velocity;
}

/** {@link sd3Transformer} with what its blocks give. @throws RangeError as there */
export function sd3TransformerStates(
  config: Sd3Config,
  weights: Weights,
  { checkpointBlocks = false }: TransformerOptions = {},
): (inputs: Sd3Inputs, call?: Sd3Call) => Sd3States {
  const { patch_size: side, width, num_layers: layers } = config;
  return ({ sample, timestep, context: words, pooled, emptyTokens = 0 }, { skippedLayers = [] } = {}) => {
    const context = emptyTokens === 0 ? words : withEmptyToken(words);
    const [, , height, columnsOfLatent] = sample.shape as [number, number, number, number];
    const grid = [height / side, columnsOfLatent / side] as const;
    const patches = convLayer(weights, 'pos_embed.proj', sample, width, {
      kernel: side,
      stride: side,
      padding: 0,
    });
    const condition = conditionVector(weights, { timestep, pooled }, width);
    const counts = [grid[0] * grid[1], context.shape[1]] as const;
    let tokens = concat(
      [
        add(mapToTokens(patches), placesOf(config, weights, grid)),
        linearLayer(weights, 'context_embedder', context, width),
      ],
      1,
    );
    const hiddenStates: Tensor[] = [];
    for (let i = 0; i < layers; i++) {
      const kind = {
        heads: config.num_attention_heads,
        normalised: config.qk_norm === 'rms_norm',
        isDual: config.dual_attention_layers.includes(i),
        isLast: i === layers - 1,
        lastRepeats: Math.max(1, emptyTokens),
      };
      const block = (both: Tensor, vector: Tensor) =>
        jointBlock(scoped(weights, `transformer_blocks.${i}`), split(both, counts, 1), vector, kind);
      if (!skippedLayers.includes(i)) {
        tokens = (checkpointBlocks ? checkpoint(block) : block)(tokens, condition);
      }
      hiddenStates.push(split(tokens, counts, 1)[0]);
    }
    const x = hiddenStates[layers - 1];
    const last = linearLayer(
      weights,
      'proj_out',
      lastNorm(weights, x, condition),
      side * side * config.out_channels,
    );
    return { velocity: fromPatches(last, side, grid, { channelLast: true }), hiddenStates };
  };
}

/** One embedding of zeros behind those of words, [batch, tokens + 1, width]. */
function withEmptyToken(words: Tensor): Tensor {
  const [batch, , width] = words.shape as [number, number, number];
  const zeros = new Float32Array(batch * width);
  return concat([words, constant({ dtype: 'float32', shape: [batch, 1, width], data: zeros })], 1);
}

/** The middle of the stored table of places: [1, rows * columns, width]. */
function placesOf(
  { pos_embed_max_size: most, width }: Sd3Config,
  weights: Weights,
  [rows, columns]: readonly [number, number],
): Tensor {
  if (!Number.isInteger(rows) || !Number.isInteger(columns) || rows > most || columns > most) {
    throw new RangeError(
      `sd3: a latent must have 1 to ${most} whole patches a side, got ${rows} x ${columns}`,
    );
  }
  const table = reshape(weights.get('pos_embed.pos_embed', [1, most * most, width]), [most, most, width]);
  const [top, left] = [Math.floor((most - rows) / 2), Math.floor((most - columns) / 2)];
  const middle = slice(table, [
    { axis: 0, start: top, end: top + rows },
    { axis: 1, start: left, end: left + columns },
  ]);
  return reshape(middle, [1, rows * columns, width]);
}

interface BlockKind {
  readonly heads: number;
  readonly normalised: boolean;
  /** Whether the picture's tokens also attend to themselves alone. */
  readonly isDual: boolean;
  /** After the last block nothing of the text is needed. */
  readonly isLast: boolean;
  /** How many equal tokens the last one of the text stands for. */
  readonly lastRepeats: number;
}

/** One block. @returns the tokens of the picture and of the text, one after the other */
function jointBlock(
  weights: Weights,
  [x, text]: readonly Tensor[],
  condition: Tensor,
  { heads, normalised, isDual, isLast, lastRepeats }: BlockKind,
): Tensor {
  const [shift, scale, gate, shiftForward, scaleForward, gateForward, ...dual] = modulation(
    weights,
    'norm1.linear',
    condition,
    isDual ? 9 : 6,
  );
  // The last one has two vectors, scale first.
  const ofText = modulation(weights, 'norm1_context.linear', condition, isLast ? 2 : 6);
  const normalText = isLast
    ? modulatedNorm(text, ofText[1], ofText[0])
    : modulatedNorm(text, ofText[0], ofText[1]);
  const options = { heads, normalised };
  const [attended, attendedText] = streamAttention(
    weights,
    'attn',
    [
      [modulatedNorm(x, shift, scale), IMAGE_STREAM],
      [normalText, isLast ? { ...TEXT_STREAM, out: undefined } : TEXT_STREAM],
    ],
    { ...options, lastRepeats },
  );
  let image = add(x, mul(gate, attended));
  if (isDual) {
    const [shiftOwn, scaleOwn, gateOwn] = dual;
    const normal = modulatedNorm(x, shiftOwn, scaleOwn);
    const [own] = streamAttention(weights, 'attn2', [[normal, IMAGE_STREAM]], options);
    image = add(image, mul(gateOwn, own));
  }
  const forward = feedForward(weights, 'ff', modulatedNorm(image, shiftForward, scaleForward));
  image = add(image, mul(gateForward, forward));
  if (isLast) return concat([image, text], 1);
  const [, , gateText, shiftText, scaleText, gateTextForward] = ofText;
  const words = add(text, mul(gateText, attendedText));
  const read = feedForward(weights, 'ff_context', modulatedNorm(words, shiftText, scaleText));
  return concat([image, add(words, mul(gateTextForward, read))], 1);
}
