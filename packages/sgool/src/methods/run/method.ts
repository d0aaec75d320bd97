/**
 * @file The one contract of all methods: an async generator that yields a plain object per iteration.
 *
 * The caller owns progress, previews, saving and stopping, so that harness, command line and studio treat all methods alike.
 */
import type { Image } from '../../image/image.ts';
import type { ModelInfo } from '../../models/model-info.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { MethodDefaults } from '../../request/defaults.ts';
import type { MethodRequest, Preset } from '../../request/request.ts';
import type { MethodSettings } from '../../request/settings.ts';
import type { SaliencyMap } from '../../saliency/detector.ts';
import type { Region } from '../../saliency/regions.ts';
import type { Run } from './run.ts';

/** Loss of an iteration; absent for methods without one (plain generation). Lower is better. */
export interface LossParts {
  readonly total: number;
  /** Spherical distance of the whole image to the prompt. */
  readonly whole?: number;
  /** Mean spherical distance of the salient regions to their text. */
  readonly regions?: number;
}

/** The result of an iteration. Iteration 0 is always the plain image, before any optimisation. */
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
  /** The saliency map that this iteration's regions come from, for methods that use one. */
  readonly saliency?: SaliencyMap;
  /** Salient boxes in pixels of the image, most salient first. */
  readonly regions?: readonly Region[];
  /** UNet evaluations so far; one sample under one conditioning counts one, so a guided step counts two. */
  readonly evaluations: { readonly forward: number; readonly pullback: number };
  /** Wall time of this iteration and since the start of the run. */
  readonly seconds: { readonly iteration: number; readonly total: number };
  /** Whether this is the best iteration so far; the last one with this flag is the result. */
  readonly best: boolean;
  /** Seed of the noise that the run began with: the request's, or the one drawn for -1; `best-of`: of this image. */
  readonly seed: number;
}

/** Where a run is inside an iteration, for progress bars. */
export interface StepProgress {
  readonly iteration: number;
  readonly iterations: number;
  /** `invert`: from a given image to its noise; `denoise`: from noise to the image; `gradient`: the backward pass. */
  readonly phase: 'invert' | 'denoise' | 'gradient';
  /** Steps done of `steps`. */
  readonly step: number;
  readonly steps: number;
}

export interface RunOptions {
  /** Checked before each network call; a run that is aborted throws the signal's reason. */
  readonly signal?: AbortSignal;
  readonly onStep?: (progress: StepProgress) => void;
}

/** What a method says of itself: its name, its settings (groups of `request/settings.ts`), whether it moves the noise. */
export interface MethodFacts<Name extends string = string> extends MethodDefaults {
  readonly name: Name;
  /** One line for help texts. */
  readonly summary: string;
}

/** A method as its file defines it. `S` are the values of its settings. */
export interface MethodDefinition<Name extends string, S extends MethodSettings> extends MethodFacts<Name> {
  /** The settings whose defaults are others than the common ones, as published. */
  defaults(model: ModelInfo): Partial<S>;
  /** Defaults that hold under every preset, over the model's hints. */
  everyPreset?(defaults: S): Partial<S>;
  /** Index of the last iteration, if the number of iterations is no setting. */
  readonly lastIteration?: number;
  /** Runs the method: see {@link Method.run}. */
  run(pipeline: Pipeline, run: Run<S>): AsyncGenerator<Iteration>;
}

/** A method as callers see it. */
export interface Method<Name extends string = string, S extends MethodSettings = MethodSettings>
  extends MethodFacts<Name> {
  /**
   * All its settings, with the values that it uses with this model when the request does not say otherwise.
   *
   * @param preset `model` (default) takes the model's own hints, `fast` fewer UNet evaluations beside them, `paper` no hints
   * @throws UserError where the model's `sgool.json` is broken
   */
  defaults(model: ModelInfo, preset?: Preset): S;
  /**
   * Runs the method. Each iteration is yielded as soon as its image exists, the plain one first.
   *
   * @throws UserError where the request names an option that the method does not have or does not fit the model, or a gradient is
   *   not finite
   */
  run(pipeline: Pipeline, request: MethodRequest, options?: RunOptions): AsyncGenerator<Iteration>;
}
