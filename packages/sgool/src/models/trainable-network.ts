/**
 * @file The denoising network of a model as fine-tuning sees it: traced with weights of its own choice, with the maps of its
 * cross-attention, without a word of which family it belongs to.
 */
import type { Tensor, Weights } from '@sgool/autodiff';
import type { CrossAttentionLayer } from '../networks/unet/cross-attention-layers.ts';
import type { AttentionMaps } from '../networks/unet/unet.ts';
import type { ProgramCache } from '../runtime/program-cache.ts';
import type { WeightTensor } from '../weights/formats/weight-source.ts';

/** What cross-attention projects: keys and values from the text, queries from the image. */
export const PROJECTIONS = ['keys', 'values', 'queries'] as const;
export type Projection = (typeof PROJECTIONS)[number];

/** A text as the network reads it. */
export interface TrainingText {
  readonly tokens: number;
  readonly width: number;
  /** Hidden states, [tokens, width]. */
  readonly data: Float32Array;
}

/** What the network reads inside a trace. */
export interface TrainingInputs {
  /** Noisy latents [batch, channels, h, w]. */
  readonly sample: Tensor;
  /** [batch] */
  readonly timestep: Tensor;
  /** [batch, tokens, width] */
  readonly context: Tensor;
}

export interface TrainableNetwork {
  readonly programs: ProgramCache;
  /** Its frozen weights, by the names that `projections` gives. */
  readonly weights: Weights;
  /** Factor on standard normal numbers that stand for clean latents: the autoencoder's scaling factor. */
  readonly latentScale: number;
  /** Number of timesteps that it was trained on; they are 0, 1, ... */
  readonly trainTimesteps: number;
  /** The weights of one projection of all cross-attention layers, by name, in the order of the names. */
  projections(which: Projection): ReadonlyMap<string, WeightTensor>;
  /**
   * Inside a trace: the prediction, [batch, channels, h, w].
   *
   * @param weights of the network, perhaps some of them trained
   * @param attentionMaps layers whose probabilities are wanted, and who gets them
   */
  predict(inputs: TrainingInputs, weights: Weights, attentionMaps?: AttentionMaps): Tensor;
  /** Its cross-attentions, for latents of this size. */
  attentionLayers(rows: number, columns: number): CrossAttentionLayer[];
  /** A text, read as it is: without weights and tags, its end cut off where it is too long. */
  encode(text: string): Promise<TrainingText>;
  /** Places of all tokens of a word or phrase among those of `encode`; none where the text does not have it. */
  positions(text: string, word: string): number[];
}
