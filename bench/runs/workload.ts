/** @file The protocol between the benchmark and both sides: the workload that they read, and the lines that they answer with. */

import type { Device, Precision } from '@sgool/autodiff';

export type WorkloadName =
  | 'unet forward'
  | 'unet pullback'
  | 'objective'
  | 'iteration'
  | 'picture'
  | 'toybox'
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
  readonly guidanceScale: number;
  /** Of single calls of the UNet. */
  readonly timestep: number;
  /** Side of the image. */
  readonly pixels: number;
  /** Denoising steps of an iteration. */
  readonly steps: number;
  /** Rows of the square matrices of `matmul`. */
  readonly matrixSize: number;
  /** Files of float32 numbers in the latent's shape [1, 4, latentSide, latentSide]. */
  readonly inputs: Readonly<Record<'latent' | 'cotangent', string>>;
  readonly latentSide: number;
}

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
