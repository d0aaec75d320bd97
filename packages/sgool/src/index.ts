/**
 * @file The library: load a model, run a method, take the images as they come.
 *
 * @packageDocumentation
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
export { type Concept, parseConcepts } from './finetune/concepts.ts';
export type { TrainingPrompt } from './finetune/prompts.ts';
export {
  type FineTuneOptions,
  type FineTuneRequest,
  type FineTuneState,
  type FineTuneStep,
  type FineTuneTask,
  type FineTuning,
  separateEnhance,
  type WordMap,
} from './finetune/separate-enhance.ts';
export { type FineTuneSettings, RECIPES } from './finetune/settings.ts';
export type { FineTuneLosses, TrainerState } from './finetune/trainer.ts';
export { type Crop, type CropBox, type CropSizes, wholeCrop } from './image/crops.ts';
export { arrangeImages, type SheetOptions } from './image/draw.ts';
export {
  type ClipSize,
  type Colour,
  createImage,
  type Image,
  type ImageSize,
  imageFromPlanes,
  planesFromImage,
  type ValueRange,
} from './image/image.ts';
export { letterboxPlanes } from './image/letterbox.ts';
export { readPictureText } from './image/picture-text.ts';
export { encodePng } from './image/png.ts';
export { readPngText } from './image/png-text.ts';
export { type ReadOptions, readImage } from './image/read-image.ts';
export type { ResampleFilter } from './image/resample.ts';
export { resizeImage } from './image/resize.ts';
export { encodeApng } from './image/video/apng.ts';
export {
  VIDEO_FORMATS,
  type VideoEncoder,
  type VideoFormat,
  type VideoOptions,
  videoEncoder,
} from './image/video/encode-video.ts';
export { decodeVideo, readVideo } from './image/video/read-video.ts';
export type { Video } from './image/video/video.ts';
export {
  type AttentionMaps,
  type MappedImage,
  type MappedWord,
  mapAttention,
} from './methods/attention-maps.ts';
export type { AttentionMapsRequest } from './methods/attention-maps-request.ts';
export { detailImage } from './methods/detail/detail-image.ts';
export type { PassSettings, WithPass } from './methods/detail/detail-pass.ts';
export type { DetailRequest } from './methods/detail/detail-request.ts';
export { type Refinement, refine } from './methods/edit/refine.ts';
export type { RefineRequest } from './methods/edit/refine-request.ts';
export { countOperations, type EstimateOptions, estimateRun, type RunEstimate } from './methods/estimate.ts';
export { type GenerateOptions, type Generation, generate } from './methods/generate.ts';
export {
  type GenerationRequest,
  METHOD_NAMES,
  type MethodName,
  type Methods,
  methods,
  parseRequest,
} from './methods/index.ts';
export type { PlanMethodSettings } from './methods/plan.ts';
export { settingsOf } from './methods/run/create-method.ts';
export type {
  DryRunOptions,
  FramesReport,
  Iteration,
  LossParts,
  MethodState,
  RunOptions,
  ScorerLoss,
  StepProgress,
} from './methods/run/iteration.ts';
export type { Method, ScoreRoles } from './methods/run/method.ts';
export type {
  Backbone,
  DenoiserOptions,
  MaskedImage,
  PairedOptions,
  PromptFit as ModelPromptFit,
  PromptReading,
} from './models/backbone.ts';
export type {
  CrossAttention,
  CrossAttentionLayer,
  MapsComputation,
  MapsProgram,
} from './models/cross-attention.ts';
export type { BackboneInfo, FewStepSampling, ModelInfo, MotionInfo } from './models/model-info.ts';
export type { SkipLayerGuidance } from './models/skip-layer-guidance.ts';
export type { TrainableNetwork, TrainingInputs, TrainingText } from './models/trainable-network.ts';
export type { ContextWindows } from './networks/motion/context-windows.ts';
export type {
  AttentionObjective,
  AttentionObjectiveOptions,
  AttentionResult,
} from './objectives/attention/attention-objective.ts';
export { parseRequirement, type Requirement } from './objectives/attention/requirement.ts';
export type { FrameFeatures } from './objectives/frame-features.ts';
export type {
  Objective,
  ObjectiveInput,
  ObjectivePart,
  ObjectiveResult,
  PartInput,
  View,
} from './objectives/objective.ts';
export { type LoadOptions, loadPipeline } from './pipeline/load-pipeline.ts';
export type {
  ClipScores,
  DetectorOptions,
  FrameNetworkName,
  ObjectiveOptions,
  Pipeline,
} from './pipeline/pipeline.ts';
export type { ClipCritic } from './preference/clip-critic.ts';
export { clipGuide } from './preference/clip-guide.ts';
export { type Aim, type ClipTarget, clipTarget } from './preference/clip-target.ts';
export type { Guide, ObjectiveScorer } from './preference/guide.ts';
export { type LoadScorerOptions, loadScorer } from './preference/load-scorer.ts';
export type { PromptInputs, PromptShapes, Scorer } from './preference/scorer.ts';
export { Generator, type GeneratorState } from './random/generator.ts';
export type { TwisterState } from './random/mersenne-twister.ts';
export type { NoiseTests } from './random/noise-tests.ts';
export { PhiloxGenerator } from './random/philox.ts';
export { type RandomSource, RNG_NAMES, type RngName } from './random/random-source.ts';
export type { Seed } from './random/seed.ts';
export { SALIENCY_NAMES, type SaliencyChoice, type SaliencyName } from './request/detectors.ts';
export { type ObjectiveItem, type Place, parseObjective } from './request/objective-text.ts';
export type { CommonRequest, MethodRequest, ParsedRequest, TargetImage } from './request/request.ts';
export { SCORER_NAMES, SCORERS, type ScorerInfo, type ScorerName } from './request/scorer-names.ts';
export { ATTENTION_LOSS_NAMES, type AttentionLossName } from './request/settings/attention.ts';
export { type MethodSettings, SETTING_GROUPS, SETTINGS, type Settings } from './request/settings/index.ts';
export type { PlanSettings } from './request/settings/plan.ts';
export type { SamplingSettings } from './request/settings/sampling.ts';
export type { SettingsShape } from './request/settings/shape.ts';
export type { ClipPart, WantedScorer } from './request/wanted-scorer.ts';
export type { Compute, ComputeOptions } from './runtime/compute.ts';
export type { MachineSpeed } from './runtime/machine-speed.ts';
export type { NetworkProgram } from './runtime/network-program.ts';
export type {
  Memory,
  ProgramCache,
  ProgramMeter,
  ProgramOptions,
  Runnable,
} from './runtime/program-cache.ts';
export type { Detector, SaliencyMap } from './saliency/detector.ts';
export { findRegions, type Region, type RegionOptions } from './saliency/regions.ts';
export type { TextFit as PromptFit } from './text/fit-notes.ts';
export type { CompelClause, CompelFragment, CompelText } from './text/prompt/compel.ts';
export type { NetworkTag } from './text/prompt/networks.ts';
export {
  type ParsedPrompt,
  PROMPT_SYNTAXES,
  type PromptStage,
  type PromptSyntax,
  parsePrompt,
} from './text/prompt/prompt.ts';
export type { PromptPart } from './text/prompt/weighted-text.ts';
export { DEFAULT_MODEL, listModels, type ModelLocation } from './weights/open/locate-model.ts';
export type { LoraChoice } from './weights/open/lora.ts';
export type { LoraStrength } from './weights/open/lora-strength.ts';
export type { Prediction } from './weights/open/single-file-options.ts';
export type { EmbeddingChoice } from './weights/open/textual-inversion.ts';
