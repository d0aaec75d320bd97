/**
 * @file `sgool/networks`: networks under the names of the public checkpoints, their tokenizers and their weight files.
 *
 * @packageDocumentation
 */
export {
  type Autoencoder,
  type AutoencoderOptions,
  autoencoder,
  type LatentDistribution,
} from '../networks/autoencoder/autoencoder.ts';
export {
  CLIP_MEAN,
  CLIP_STD,
  type Clip,
  type ClipImageResult,
  type ClipTextResult,
  clip,
} from '../networks/clip/clip.ts';
export {
  type AutoencoderConfig,
  autoencoderConfig,
  type ClipConfig,
  type ClipTextConfig,
  clipConfig,
  clipTextConfig,
  type TranSalNetConfig,
  transalnetConfig,
  type UNetConfig,
  unetConfig,
} from '../networks/config.ts';
export { networkWeights } from '../networks/network-weights.ts';
export type { BatchNormOptions } from '../networks/saliency/batch-norm.ts';
export { type TranSalNet, transalnet } from '../networks/saliency/transalnet.ts';
export { type TextEncoder, type TextEncoderResult, textEncoder } from '../networks/text/text-encoder.ts';
export { type UNet, type UNetInputs, type UNetOptions, unet } from '../networks/unet/unet.ts';
export { byteSymbolsById, END_OF_WORD, type Vocabulary } from '../text/byte-pairs.ts';
export {
  createTokenizer,
  END_OF_TEXT,
  type EncodedPrompt,
  loadTokenizer,
  START_OF_TEXT,
  type Tokenizer,
  type TokenizerOptions,
} from '../text/tokenizer.ts';
export { buildWordVocabulary, tokenizerFiles } from '../text/word-vocabulary.ts';
export type { TensorData } from '../weights/formats/dtypes.ts';
export { encodeFloat16 } from '../weights/formats/float16.ts';
export {
  openSafetensors,
  readTensor,
  type SafetensorsFile,
  type TensorToWrite,
  writeSafetensors,
} from '../weights/formats/safetensors.ts';
export type { TensorEntry } from '../weights/formats/safetensors-header.ts';
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
} from '../weights/open/model-folder.ts';
export { writeFileAtomic } from '../weights/sources/atomic-file.ts';
export type { Config } from '../weights/sources/read-config.ts';
