/** @file What the benchmark asks of a side: the fields that both programs read, and the lines that they answer with. */

export type WorkName = 'unet forward' | 'unet pullback' | 'objective' | 'iteration' | 'matmul';

/** One work of one side, in a process of its own. */
export interface Work {
  readonly work: WorkName;
  /** How, where a side has several ways: words that the side knows, with commas between. */
  readonly variant: string;
  /** Model in the diffusers layout. */
  readonly folder: string;
  readonly threads: number;
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

/** What a side that is ready is told for each run. */
export interface RunRequest {
  /** Path that the names of result files begin with. */
  readonly out: string;
}

/** What it answers. */
export interface RunAnswer {
  readonly seconds: number;
  /** Of all threads: far less than threads x seconds says that something else was running. */
  readonly processorSeconds: number;
  /** Float32 files by name of the result. */
  readonly results: Readonly<Record<string, string>>;
}
