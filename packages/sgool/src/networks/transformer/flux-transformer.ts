/**
 * @file The transformer of Flux.1: blocks in which picture and text have weights of their own, then blocks in which they are one sequence.
 *
 * Reference: diffusers, models/transformers/transformer_flux.py, pipelines/flux/pipeline_flux.py (packing of latents).
 */
import {
  add,
  checkpoint,
  concat,
  geluTanh,
  mul,
  scoped,
  split,
  type Tensor,
  type Weights,
} from '@sgool/autodiff';
import { linearLayer } from '../layers.ts';
import { conditionVector } from './condition.ts';
import { type FluxConfig, PACKED_SIDE } from './flux-config.ts';
import {
  feedForward,
  IMAGE_STREAM,
  type StreamNames,
  streamAttention,
  TEXT_STREAM,
} from './joint-attention.ts';
import { lastNorm, modulatedNorm, modulation } from './modulation.ts';
import { fromPatches, toPatches } from './patches.ts';
import { rotaryEmbedding } from './rotary.ts';
import type { TransformerOptions } from './sd3-transformer.ts';

export interface FluxInputs {
  /** [batch, in_channels / 4, h, w]; h and w even. It is packed inside. */
  readonly sample: Tensor;
  /** [batch], 1000 times sigma */
  readonly timestep: Tensor;
  /** Embeddings of the prompt's tokens, [batch, tokens, jointWidth]. */
  readonly context: Tensor;
  /** Pooled embeddings of the prompt, [batch, pooledWidth]. */
  readonly pooled: Tensor;
  /** [batch], 1000 times the guidance scale; for networks with a guidance embedding, and only for these */
  readonly guidance?: Tensor;
}

/** In the blocks of one sequence the result of attention is projected together with the perceptron's. */
const SINGLE_STREAM: StreamNames = { ...IMAGE_STREAM, out: undefined };

/**
 * The transformer with its weights: from a noised latent to its velocity, of the same shape.
 *
 * @throws RangeError where a latent has odd sides, or guidance is given or missing against the configuration
 */
export function fluxTransformer(
  config: FluxConfig,
  weights: Weights,
  { checkpointBlocks = false }: TransformerOptions = {},
): (inputs: FluxInputs) => Tensor {
  const { width, num_attention_heads: heads } = config;
  return ({ sample, timestep, context, pooled, guidance }) => {
    if ((guidance !== undefined) !== config.guidance_embeds) {
      throw new RangeError(
        `flux: this network ${config.guidance_embeds ? 'needs' : 'has no'} guidance embedding`,
      );
    }
    const [, , height, columns] = sample.shape as [number, number, number, number];
    const grid = [height / PACKED_SIDE, columns / PACKED_SIDE] as const;
    if (!grid.every(Number.isInteger)) {
      throw new RangeError(`flux: the sides of a latent must be even, got ${height} x ${columns}`);
    }
    const words = context.shape[1];
    const options = {
      heads,
      normalised: true,
      rotate: rotaryEmbedding(placesOf(words, grid), config.axes_dims_rope),
    };
    const condition = conditionVector(weights, { timestep, pooled, guidance }, width);
    const counts = [words, grid[0] * grid[1]];
    const run = (name: string, block: (own: Weights, tokens: Tensor, vector: Tensor) => Tensor) => {
      const scopedBlock = (x: Tensor, vector: Tensor) => block(scoped(weights, name), x, vector);
      tokens = (checkpointBlocks ? checkpoint(scopedBlock) : scopedBlock)(tokens, condition);
    };
    let tokens = concat(
      [
        linearLayer(weights, 'context_embedder', context, width),
        linearLayer(weights, 'x_embedder', toPatches(sample, PACKED_SIDE), width),
      ],
      1,
    );
    for (let i = 0; i < config.num_layers; i++) {
      run(`transformer_blocks.${i}`, (own, x, vector) =>
        doubleBlock(own, split(x, counts, 1), vector, options),
      );
    }
    for (let i = 0; i < config.num_single_layers; i++) {
      run(`single_transformer_blocks.${i}`, (own, x, vector) => singleBlock(own, x, vector, options));
    }
    const [, image] = split(tokens, counts, 1);
    const last = linearLayer(weights, 'proj_out', lastNorm(weights, image, condition), config.out_channels);
    return fromPatches(last, PACKED_SIDE, grid);
  };
}

/** Places of the tokens: none for the text, row and column for the picture. */
function placesOf(words: number, [rows, columns]: readonly [number, number]): number[][] {
  const image = Array.from({ length: rows * columns }, (_, i) => [0, Math.floor(i / columns), i % columns]);
  return [...Array.from({ length: words }, () => [0, 0, 0]), ...image];
}

type Options = Parameters<typeof streamAttention>[3];

/** @returns the tokens of the text and of the picture, one after the other */
function doubleBlock(
  weights: Weights,
  [text, x]: readonly Tensor[],
  condition: Tensor,
  options: Options,
): Tensor {
  const [shift, scale, gate, ...forward] = modulation(weights, 'norm1.linear', condition, 6);
  const [shiftText, scaleText, gateText, ...forwardText] = modulation(
    weights,
    'norm1_context.linear',
    condition,
    6,
  );
  const [read, seen] = streamAttention(
    weights,
    'attn',
    [
      [modulatedNorm(text, shiftText, scaleText), TEXT_STREAM],
      [modulatedNorm(x, shift, scale), IMAGE_STREAM],
    ],
    options,
  );
  const after = (name: string, y: Tensor, [shiftOwn, scaleOwn, gateOwn]: readonly Tensor[]) =>
    add(y, mul(gateOwn, feedForward(weights, name, modulatedNorm(y, shiftOwn, scaleOwn))));
  return concat(
    [
      after('ff_context', add(text, mul(gateText, read)), forwardText),
      after('ff', add(x, mul(gate, seen)), forward),
    ],
    1,
  );
}

function singleBlock(weights: Weights, x: Tensor, condition: Tensor, options: Options): Tensor {
  const width = x.shape[2];
  const [shift, scale, gate] = modulation(weights, 'norm.linear', condition, 3);
  const normal = modulatedNorm(x, shift, scale);
  const [attended] = streamAttention(weights, 'attn', [[normal, SINGLE_STREAM]], options);
  const wide = geluTanh(linearLayer(weights, 'proj_mlp', normal, 4 * width));
  return add(x, mul(gate, linearLayer(weights, 'proj_out', concat([attended, wide], 2), width)));
}
