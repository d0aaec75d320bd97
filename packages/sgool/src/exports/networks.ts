/**
 * @file `sgool/networks`: the networks under the names of the public checkpoints, with their configurations, tokenizers and
 * weights. Everything here reads; `sgool/node` writes.
 *
 * @packageDocumentation
 */
export {
  type Autoencoder,
  type AutoencoderOptions,
  autoencoder,
  type LatentDistribution,
} from '../networks/autoencoder/autoencoder.ts';
export { type AutoencoderConfig, autoencoderConfig } from '../networks/autoencoder/autoencoder-config.ts';
export {
  CLIP_MEAN,
  CLIP_STD,
  type Clip,
  type ClipImageResult,
  type ClipTextResult,
  clip,
} from '../networks/clip/clip.ts';
export { type ClipConfig, type ClipVisionConfig, clipConfig } from '../networks/clip/clip-config.ts';
export { type MotionConfig, motionConfig } from '../networks/motion/motion-config.ts';
export { MOTION_NORMS, type MotionNorm, sinusoidalPositions } from '../networks/motion/motion-module.ts';
export { motionUNetConfig } from '../networks/motion/motion-unet.ts';
export { type NetworkWeightsOptions, networkWeights } from '../networks/network-weights.ts';
export type { BatchNormOptions } from '../networks/saliency/batch-norm.ts';
export { type TranSalNet, transalnet } from '../networks/saliency/transalnet.ts';
export { type TranSalNetConfig, transalnetConfig } from '../networks/saliency/transalnet-config.ts';
export { type T5Config, t5Config } from '../networks/text/t5-config.ts';
export { type T5Encoder, t5Encoder } from '../networks/text/t5-encoder.ts';
export {
  type TextEncoder,
  type TextEncoderResult,
  textEncoder,
  tokenAt,
} from '../networks/text/text-encoder.ts';
export { type ClipTextConfig, clipTextConfig } from '../networks/text/text-encoder-config.ts';
export { type FluxConfig, fluxConfig } from '../networks/transformer/flux-config.ts';
export { type FluxInputs, fluxTransformer } from '../networks/transformer/flux-transformer.ts';
export { type Sd3Config, sd3Config } from '../networks/transformer/sd3-config.ts';
export {
  type Sd3Call,
  type Sd3Inputs,
  type Sd3States,
  sd3Transformer,
  sd3TransformerStates,
  type TransformerOptions,
} from '../networks/transformer/sd3-transformer.ts';
export { type CrossAttentionLayer, crossAttentionLayers } from '../networks/unet/cross-attention-layers.ts';
export {
  type AttentionEdit,
  type AttentionMaps,
  type Motion,
  type UNet,
  type UNetInputs,
  type UNetOptions,
  unet,
} from '../networks/unet/unet.ts';
export { type UNetConfig, unetConfig } from '../networks/unet/unet-config.ts';
export type { AddedToken } from '../text/added-tokens.ts';
export { byteSymbolsById, END_OF_WORD, type Vocabulary } from '../text/byte-pairs.ts';
export type { Cleaning } from '../text/clean.ts';
export { type LoadTokenizerOptions, parseTokenizer } from '../text/clip-tokenizer-files.ts';
export type { EmbeddingWord } from '../text/embedding-tokens.ts';
export {
  loadT5Tokenizer,
  loadTokenizer,
  type OpenedTokenizer,
  openTokenizer,
} from '../text/load-tokenizer.ts';
export {
  createTokenizer,
  END_OF_TEXT,
  type EncodedPrompt,
  START_OF_TEXT,
  type Tokenizer,
  type TokenizerOptions,
  type TokenPiece,
} from '../text/tokenizer.ts';
export type { TokenizerTexts } from '../text/tokenizer-files.ts';
export type { UnigramTokenizer } from '../text/unigram/unigram-tokenizer.ts';
export type { WordPieceTokenizer } from '../text/word-piece.ts';
export { buildWordVocabulary, tokenizerFiles, type WordVocabulary } from '../text/word-vocabulary.ts';
export type { Dtype, TensorData } from '../weights/formats/dtypes.ts';
export { encodeFloat16 } from '../weights/formats/float16.ts';
export { openSafetensors, readTensor, type SafetensorsFile } from '../weights/formats/safetensors.ts';
export type { SafetensorsHeader, TensorEntry } from '../weights/formats/safetensors-header.ts';
export type {
  ComputedTensor,
  StoredTensor,
  TensorFile,
  WeightSource,
  WeightTensor,
} from '../weights/formats/weight-source.ts';
export {
  type ModelComponent,
  type ModelFolder,
  type OpenModelOptions,
  openComponent,
  openModelFolder,
  type TokenizerPlace,
} from '../weights/open/model-folder.ts';
export type { TextEmbedding } from '../weights/open/textual-inversion.ts';
export type { Config } from '../weights/sources/read-config.ts';
