/** @file The library's networks and methods, behind one import that only the commands make that run them. */
import { estimateFineTuning } from '../finetune/estimate.ts';
import { separateEnhance } from '../finetune/separate-enhance.ts';
import type { Image } from '../image/image.ts';
import { type MappedImage, mapAttention } from '../methods/attention-maps.ts';
import type { AttentionMapsRequest } from '../methods/attention-maps-request.ts';
import { detailMethod } from '../methods/detail/detail-image.ts';
import type { ImageMethod } from '../methods/edit/image-method.ts';
import { type RefineMethod, refinement } from '../methods/edit/refine.ts';
import type { RefineSource } from '../methods/edit/refine-request.ts';
import {
  countEvaluations,
  countOperations,
  type EstimateOptions,
  estimateRun,
  type RunEstimate,
} from '../methods/estimate.ts';
import { detailedMethods, type MethodName, methods } from '../methods/index.ts';
import type { Iteration, RunOptions } from '../methods/run/iteration.ts';
import type { Method } from '../methods/run/method.ts';
import { type LoadOptions, loadPipeline } from '../pipeline/load-pipeline.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import { type Compute, type ComputeOptions, chooseCompute } from '../runtime/compute.ts';

/** The part of the library that needs networks. Tests replace it. */
export interface Engine {
  readonly methods: Readonly<Record<MethodName, Method>>;
  /** With the detail pass behind the result. */
  readonly detailedMethods: Readonly<Partial<Record<MethodName, Method>>>;
  /** The method that begins with an image. */
  refinement(source: RefineSource): RefineMethod;
  /** The method that repaints regions of an image. */
  detailMethod(image: Image): ImageMethod;
  /** What programs beside a pipeline run on. @throws UserError where that does not work here */
  chooseCompute(options: ComputeOptions): Promise<Compute>;
  /** @throws UserError when the model is unknown or broken, or the device does not work here */
  openPipeline(model: string, options: LoadOptions): Promise<Pipeline>;
  /** Begins a fine-tuning. @throws UserError where model or request do not fit */
  separateEnhance: typeof separateEnhance;
  /** Time and memory of a fine-tuning. @throws UserError where it would */
  estimateFineTuning?(
    model: string,
    options: LoadOptions,
    wanted: Omit<Parameters<typeof estimateFineTuning>[0], 'open'>,
  ): Promise<RunEstimate>;
  /** An image and the attention maps of its making. @throws UserError where the request does not fit the prompt or the model */
  mapAttention(
    pipeline: Pipeline,
    request: AttentionMapsRequest,
    options?: Pick<RunOptions, 'signal' | 'onStep'>,
  ): Promise<MappedImage>;
  /** Time and memory of a run. @throws UserError where the run would */
  estimate?(model: string, options: LoadOptions, run: Omit<EstimateOptions, 'open'>): Promise<RunEstimate>;
  /** Evaluations of the denoiser's network in a run. @throws UserError where the run would */
  countEvaluations(
    model: string,
    options: LoadOptions,
    run: Omit<EstimateOptions, 'open'>,
  ): Promise<Iteration['evaluations']>;
  /** Operations of a run by program. @throws UserError where the run would */
  countOperations(
    model: string,
    options: LoadOptions,
    run: Omit<EstimateOptions, 'open'>,
  ): Promise<ReadonlyMap<string, number>>;
}

export const engine: Engine = {
  methods,
  detailedMethods,
  refinement,
  detailMethod,
  chooseCompute,
  openPipeline: loadPipeline,
  separateEnhance,
  estimateFineTuning: (model, options, wanted) =>
    estimateFineTuning({ ...wanted, open: (programs) => loadPipeline(model, { ...options, programs }) }),
  mapAttention,
  estimate: (model, options, run) =>
    estimateRun({ ...run, open: (programs) => loadPipeline(model, { ...options, programs }) }),
  countEvaluations: (model, options, run) =>
    countEvaluations({ ...run, open: (programs) => loadPipeline(model, { ...options, programs }) }),
  countOperations: (model, options, run) =>
    countOperations({ ...run, open: (programs) => loadPipeline(model, { ...options, programs }) }),
};
