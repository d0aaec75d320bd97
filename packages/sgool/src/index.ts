/**
 * @file The library: load a model, run a method, take the pictures as they come.
 *
 * @example
 * ```ts
 * import { encodePng, loadPipeline, methods } from 'sgool';
 *
 * const pipeline = await loadPipeline('toybox');
 * let best;
 * for await (const step of methods.sgool.run(pipeline, { prompt: 'a red cat and a blue boat', seed: 0 })) {
 *   console.log(step.iteration, step.loss?.total, step.clip.A);
 *   if (step.best) best = step;
 * }
 * await writeFile('image.png', encodePng(best.image));
 * ```
 */
export { UserError } from './errors.ts';
export {
  type ClipScores,
  type Compute,
  type ComputeOptions,
  type GenerateOptions,
  type Generation,
  type GenerationRequest,
  generate,
  type Iteration,
  type LoadOptions,
  type LossParts,
  loadPipeline,
  METHOD_NAMES,
  type Method,
  type MethodName,
  type ModelInfo,
  methods,
  type Pipeline,
  parseRequest,
  type Refinement,
  type RefineRequest,
  type RunOptions,
  refine,
  requestSchema,
  SALIENCY_NAMES,
  type SaliencyName,
  type Settings,
  type StepProgress,
  settingsOf,
} from './guidance/index.ts';
export { encodePng, type Image, readImage } from './image/index.ts';
export {
  type LoadScorerOptions,
  loadScorer,
  SCORER_NAMES,
  SCORERS,
  type Scorer,
  type ScorerInfo,
  type ScorerName,
} from './preference/index.ts';
export {
  type Detector,
  findRegions,
  type Region,
  type RegionOptions,
  type SaliencyMap,
} from './saliency/index.ts';
export { DEFAULT_MODEL, listModels } from './weights/index.ts';
