/** @file The protocol between the benchmark and both sides: the workload that they read, and the lines that they answer with. */

import type { Device, Precision } from '@sgool/autodiff';

export type WorkloadName =
  | 'forward'
  | 'pullback'
  | 'objective'
  | 'iteration'
  | 'picture'
  | 'toybox'
  | 'attend-and-excite step'
  | 'fine-tuning step'
  | 'matmul';

/** One workload of one side, in a process of its own. */
export interface Workload {
  readonly workload: WorkloadName;
  /** The variant, if a side has several: words of that side, separated by commas. */
  readonly variant: string;
  /** Model in the diffusers layout. */
  readonly folder: string;
  readonly threads: number;
  readonly device: Device;
  /** Of the networks. The sampler's numbers are float64 on our side and float32 on the peer's. */
  readonly precision: Precision;
  readonly prompt: string;
  /** With 1 the network is evaluated for the prompt alone. */
  readonly guidanceScale: number;
  /** Of single calls of the network. */
  readonly timestep: number;
  /** Side of the image. */
  readonly pixels: number;
  /** Of a clip; 1 for an image. */
  readonly frames: number;
  /** Two nouns of the prompt, for workloads that read the attention to them. */
  readonly words: readonly string[];
  /** How far Attend-and-Excite moves along the gradient. */
  readonly stepSize: number;
  /** Denoising steps of an iteration. */
  readonly steps: number;
  /** Rows of the square matrices of `matmul`. */
  readonly matrixSize: number;
  /** Files of float32 numbers in the latent's shape. */
  readonly inputs: Readonly<Record<'latent' | 'cotangent', string>>;
  /** [1, channels, height, width]; of a clip [1, channels, frames, height, width]. */
  readonly latentShape: readonly number[];
}

/** A workload that is ready: each call runs it once and gives its results by name. */
export type Run = () => Promise<Readonly<Record<string, ArrayLike<number>>>>;

/** The request for one run, sent to a side that is ready. */
export interface RunRequest {
  /** Path that the names of result files begin with. */
  readonly out: string;
}

/** The answer to it. */
export interface RunAnswer {
  readonly seconds: number;
  /** Of all threads: far less than threads x seconds means that something else was running. */
  readonly processorSeconds: number;
  /** Float32 files by name of the result. */
  readonly results: Readonly<Record<string, string>>;
}
