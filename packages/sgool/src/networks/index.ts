/** @file Floor 3: networks, traced with `@sgool/autodiff` under the names of the public checkpoints. */
export { type IdentifiedWeights, identifyWeights } from './added-weights.ts';
export {
  type Autoencoder,
  type AutoencoderOptions,
  autoencoder,
  type LatentDistribution,
} from './autoencoder.ts';
export type { BatchNormOptions } from './batch-norm.ts';
export { blipText, blipVision, type ImageRewardInputs, imageReward } from './blip.ts';
export {
  type BlipTextConfig,
  type BlipVisionConfig,
  type ImageRewardConfig,
  imageRewardConfig,
} from './blip-config.ts';
export {
  checkNetwork,
  describeProblems,
  type WeightCheck,
  type WeightProblem,
} from './check-weights.ts';
export {
  CLIP_MEAN,
  CLIP_STD,
  type Clip,
  type ClipImageResult,
  type ClipTextResult,
  clip,
} from './clip.ts';
export { clipPixels } from './clip-pixels.ts';
export {
  type AutoencoderConfig,
  autoencoderConfig,
  type ClipConfig,
  type ClipTextConfig,
  type ClipVisionConfig,
  clipConfig,
  clipTextConfig,
  type TranSalNetConfig,
  transalnetConfig,
  type UNetConfig,
  unetConfig,
} from './config.ts';
export {
  type AttentionLayerOptions,
  type AttentionNames,
  attentionLayer,
  type ConvLayerOptions,
  convLayer,
  groupNormLayer,
  layerNormLayer,
  linearLayer,
  mapToTokens,
  mergeHeads,
  splitHeads,
  tokensToMap,
} from './layers.ts';
export { layoutFor, networkWeights } from './load.ts';
export { type TextEncoder, type TextEncoderResult, textEncoder, tokenAt } from './text-encoder.ts';
export { type TranSalNet, transalnet } from './transalnet.ts';
export { type UNet, type UNetInputs, type UNetOptions, unet } from './unet.ts';
