/**
 * @file The interface of all methods: an async generator that yields a plain object per iteration.
 *
 * The caller owns progress, previews, saving and stopping, so that harness, command line and studio treat all methods alike.
 */
import type { ModelInfo } from '../../models/model-info.ts';
import type { Pipeline } from '../../pipeline/pipeline.ts';
import type { MethodDefaults } from '../../request/defaults.ts';
import type { MethodRequest, Preset } from '../../request/request.ts';
import type { MethodSettings, Settings } from '../../request/settings/index.ts';
import type { Iteration, RunOptions } from './iteration.ts';
import type { Run } from './run.ts';

/** What a method says of itself: its name, its settings (groups of `request/settings/`), whether it moves the noise. */
export interface MethodFacts<Name extends string = string> extends MethodDefaults {
  readonly name: Name;
  /** One line for help texts. */
  readonly summary: string;
  /** Evaluations of the denoiser's network, in terms of settings. */
  readonly cost: string;
  /** When to take it. */
  readonly useFor: string;
  /** Whether its image is what sampling makes of its noise and seed, so that another method can go on from there. */
  readonly noiseMakesImage: boolean;
  /**
   * Whether its iterations are candidates from seeds of their own, none of which depends on another, and it only selects: then the
   * first n of them are what a run of n makes, and it is what other methods are compared with at equal cost.
   */
  readonly independentCandidates?: true;
  /** Whether it makes pictures and no clips. */
  readonly picturesOnly?: true;
}

/**
 * What scores are to a method. A result is never judged by a score that guided it or chose it.
 *
 * Names are those of `sgool evaluate`: `clip_a` is the CLIP in the model's folder `clip`.
 */
export interface ScoreRoles {
  /** Scores whose gradient it follows. */
  readonly guides: readonly string[];
  /** Scores by which it chooses among iterates or candidates. */
  readonly selects: readonly string[];
}

/** A method as its file defines it. `S` are the values of its settings. */
export interface MethodDefinition<Name extends string, S extends MethodSettings> extends MethodFacts<Name> {
  /** The settings whose defaults are others than the common ones, as published. */
  defaults(model: ModelInfo): Partial<S>;
  /** Defaults that hold under every preset, over the model's hints. */
  everyPreset?(defaults: S, model: ModelInfo): Partial<S>;
  /** Refuses settings that do not fit the model. @throws UserError that says what would be right */
  check?(settings: S, model: ModelInfo): void;
  /** Index of the last iteration, if the number of iterations is no setting. */
  readonly lastIteration?: number;
  /** What guides it and what selects. */
  roles(settings: S): ScoreRoles;
  /** Runs the method: see {@link Method.run}. */
  run(pipeline: Pipeline, run: Run<S>): AsyncGenerator<Iteration>;
}

/** A method as callers see it. */
export interface Method<Name extends string = string, S extends MethodSettings = MethodSettings>
  extends MethodFacts<Name> {
  /**
   * All its settings, with the values that it uses with this model when the request does not say otherwise.
   *
   * @param preset `model` (default) takes the model's own hints, `fast` fewer UNet evaluations beside them, `paper` no hints, `reno` ReNO's settings
   * @param request for a method whose defaults depend on another setting
   * @throws UserError where the model's `sgool.json` is broken
   */
  defaults(model: ModelInfo, preset?: Preset, request?: Partial<Settings>): S;
  /** Refuses settings that do not fit the model. @throws UserError that says what would be right */
  check?(settings: S, model: ModelInfo): void;
  /** What guides it and what selects, with these settings. */
  roles(settings: S): ScoreRoles;
  /**
   * Runs the method. Each iteration is yielded as soon as its image exists, the plain one first.
   *
   * @throws UserError where the request names an option that the method does not have or does not fit the model, or a gradient is
   *   not finite
   */
  run(pipeline: Pipeline, request: MethodRequest, options?: RunOptions): AsyncGenerator<Iteration>;
}
