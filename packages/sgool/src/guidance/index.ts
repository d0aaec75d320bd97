/** @file Floor 5: methods that move the starting noise, and what they are made of. */

export { type ClipCritic, clipCritic } from './clip-critic.ts';
export { type Compute, type ComputeOptions, chooseCompute } from './compute.ts';
export { boxCrop, type Crop, type CropSizes, randomCutouts, wholeCrop } from './crops.ts';
export { type EstimateOptions, estimateRun, type RunEstimate } from './estimate.ts';
export type { FewStepSampling } from './few-step.ts';
export { type GenerateOptions, type Generation, generate } from './generate.ts';
export {
  adamOptimiser,
  doodlOptimiser,
  type LatentOptimiser,
  latentOptimiser,
  normalisedOptimiser,
} from './latent-optimiser.ts';
export { type LoadOptions, loadPipeline } from './load-pipeline.ts';
export type { Iteration, LossParts, Method, RunOptions, StepProgress } from './method.ts';
export { methods } from './methods/index.ts';
export type { ModelInfo } from './model-info.ts';
export {
  type Objective,
  type ObjectiveInput,
  type ObjectiveResult,
  sphericalDistance,
  type View,
} from './objective.ts';
export type { ClipScores, DenoiserOptions, ObjectiveOptions, PictureSize, Pipeline } from './pipeline.ts';
export { promptParts } from './prompt-parts.ts';
export { type RefineMethod, type Refinement, refine, refinement } from './refine.ts';
export { parseRefineRequest, type RefineRequest, type RefineSource } from './refine-request.ts';
export {
  type GenerationRequest,
  METHOD_NAMES,
  type MethodName,
  type ParsedRequest,
  parseRequest,
  requestSchema,
  SALIENCY_NAMES,
  type SaliencyName,
  type Settings,
  settingsSchema,
} from './request.ts';
export { settingsOf } from './run.ts';
