/**
 * @file The one contract of all methods: an async generator that yields a plain object per iteration.
 *
 * The caller owns progress, previews, saving and stopping. Harness, command line and studio treat all methods alike.
 */
import type { Image } from '../../image/image.ts';
import type { ModelInfo } from '../../models/model-info.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { GenerationRequest, MethodName, Preset, Settings } from '../../request/request.ts';
import type { SaliencyMap } from '../../saliency/detector.ts';
import type { Region } from '../../saliency/regions.ts';

/** Loss of an iteration; absent where a method has none (plain generation). Lower is better. */
export interface LossParts {
  readonly total: number;
  /** Spherical distance of the whole image to the prompt. */
  readonly whole?: number;
  /** Mean spherical distance of the salient regions to their text. */
  readonly regions?: number;
}

/** What a method knows after each round. Iteration 0 is always the plain image, before any optimisation. */
export interface Iteration {
  /** 0 for the plain image, then one more for each update (for `best-of`: for each further seed). */
  readonly iteration: number;
  /** Index of the last iteration of this run. */
  readonly iterations: number;
  /** The starting noise that makes this image, float64, `[channels, height, width]`. */
  readonly latent: Float64Array;
  readonly image: Image;
  readonly loss?: LossParts;
  /** CLIP scores, 100·cos, of the image and the prompt: A guides, B only reports. */
  readonly clip: { readonly A?: number; readonly B?: number };
  /** The saliency map that this iteration's regions come from, for methods that built. */
  readonly saliency?: SaliencyMap;
  /** Salient boxes in pixels of the image, most salient first. */
  readonly regions?: readonly Region[];
  /** UNet evaluations so far; one sample under one conditioning counts one, so a guided step counts two. */
  readonly evaluations: { readonly forward: number; readonly pullback: number };
  /** Wall time of this iteration and since the start of the run. */
  readonly seconds: { readonly iteration: number; readonly total: number };
  /** Whether this is the best iterate so far; the last one marked so is the result. */
  readonly best: boolean;
  /** Seed of the noise that the run began with: the request's, or the one drawn for -1; `best-of`: of this image. */
  readonly seed: number;
}

/** Where a run is inside an iteration, for progress bars. */
export interface StepProgress {
  readonly iteration: number;
  readonly iterations: number;
  /** `invert` from a given image to its noise, `denoise` towards the image, `gradient` back to the noise. */
  readonly phase: 'invert' | 'denoise' | 'gradient';
  /** Steps done of `steps`. */
  readonly step: number;
  readonly steps: number;
}

export interface RunOptions {
  /** Looked at before each network call; a run that is aborted throws the signal's reason. */
  readonly signal?: AbortSignal;
  readonly onStep?: (progress: StepProgress) => void;
}

export interface Method {
  readonly name: MethodName;
  /** One line for help texts. */
  readonly summary: string;
  /**
   * Every setting, as this method uses it with this model when the request does not say otherwise.
   *
   * @param preset `model` (default) takes the model's own hints, `fast` lays fewer UNet evaluations over them, `paper` takes none
   * @throws UserError where the model's `sgool.json` is broken
   */
  defaults(model: ModelInfo, preset?: Preset): Settings;
  /**
   * Runs the method. Each iteration is yielded as soon as its image exists, the plain one first.
   *
   * @throws UserError where the request does not fit the model, or a gradient is not finite
   */
  run(pipeline: Pipeline, request: GenerationRequest, options?: RunOptions): AsyncGenerator<Iteration>;
}
