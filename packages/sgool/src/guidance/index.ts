/** @file Floor 5: methods that move the starting noise, and what they are made of. */

export type { Iteration, LossParts, Method, RunOptions, StepProgress } from './method.ts';
export type { ClipScores, ModelInfo, Pipeline } from './pipeline.ts';
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
