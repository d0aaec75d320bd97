/** @file The cross-attention of a network under a prompt: which positions of the image read which words. */
import type { Tensor, TensorMap, TensorSpec } from '@sgool/autodiff';
import type { CrossAttentionLayer } from '../networks/unet/cross-attention-layers.ts';

export type { CrossAttentionLayer };

/** What is computed from the maps of some layers, inside a trace. */
export interface MapsComputation {
  /** Says what is computed, and every size that shapes it: programs of one key are one. */
  readonly key: string;
  /** The layers whose maps it gets. */
  readonly layers: readonly CrossAttentionLayer[];
  /** What it reads beside the maps. */
  readonly inputs?: Readonly<Record<string, TensorSpec>>;
  /**
   * Its results.
   *
   * @param maps one for each layer: probabilities [heads, rows, columns, tokens], whose sum over the tokens is 1
   */
  outputs(maps: readonly Tensor[], inputs: Readonly<Record<string, Tensor>>): TensorMap;
  /** Name of an output of one element: its gradient with respect to the latent is a further result, `gradient`. */
  readonly differentiated?: string;
}

/** Runs a computation for one latent. What it gives is checked: every number is finite. */
export type MapsProgram = (
  latent: Float64Array,
  timestep: number,
  inputs?: Readonly<Record<string, Float32Array>>,
) => Promise<Readonly<Record<string, Float32Array>>>;

/** The cross-attention of a network under one prompt, without its negative prompt. */
export interface CrossAttention {
  /** Its layers for latents of the size that was asked for, in the order of execution. */
  readonly layers: readonly CrossAttentionLayer[];
  /** Tokens that each position reads: start, the pieces of the prompt, end, padding. */
  readonly tokens: number;
  /** The pieces of the prompt; the first one has index 1. The last piece of a word ends in `</w>`. */
  readonly pieces: readonly string[];
  /** The indices of the pieces of each occurrence of a word or phrase in the prompt; empty where it does not occur. */
  occurrences(phrase: string): readonly (readonly number[])[];
  /**
   * A program that counts as one evaluation of the network per run, and as one pullback where it differentiates. Of the network only what
   * the maps need is computed.
   */
  program(computation: MapsComputation): MapsProgram;
}
