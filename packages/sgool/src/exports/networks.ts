/** @file `sgool/networks`: networks under the names of the public checkpoints, their tokenizers and their weight files. */
export { autoencoder } from '../networks/autoencoder/autoencoder.ts';
export { type AutoencoderConfig, autoencoderConfig } from '../networks/autoencoder/autoencoder-config.ts';
export { CLIP_MEAN, CLIP_STD, clip } from '../networks/clip/clip.ts';
export { type ClipConfig, clipConfig } from '../networks/clip/clip-config.ts';
export { networkWeights } from '../networks/network-weights.ts';
export { transalnet } from '../networks/saliency/transalnet.ts';
export { type TranSalNetConfig, transalnetConfig } from '../networks/saliency/transalnet-config.ts';
export { textEncoder } from '../networks/text/text-encoder.ts';
export { clipTextConfig } from '../networks/text/text-encoder-config.ts';
export { unet } from '../networks/unet/unet.ts';
export { unetConfig } from '../networks/unet/unet-config.ts';
export { byteSymbolsById, END_OF_WORD } from '../text/byte-pairs.ts';
export { loadTokenizer } from '../text/load-tokenizer.ts';
export {
  createTokenizer,
  END_OF_TEXT,
  type EncodedPrompt,
  START_OF_TEXT,
  type Tokenizer,
} from '../text/tokenizer.ts';
export { buildWordVocabulary, tokenizerFiles } from '../text/word-vocabulary.ts';
export { encodeFloat16 } from '../weights/formats/float16.ts';
export { openSafetensors, readTensor } from '../weights/formats/safetensors.ts';
export { openComponent, openModelFolder } from '../weights/open/model-folder.ts';
