/** @file Floor 2: weights in files. */

export { fileSystemReason, replaceFile, writeFileAtomic } from './atomic-file.ts';
export type { Dtype, TensorData } from './dtypes.ts';
export { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from './float16.ts';
export {
  type Config,
  type ModelComponent,
  type ModelFolder,
  type OpenModelOptions,
  openComponent,
  openModelFolder,
  readConfig,
} from './model-folder.ts';
export { DEFAULT_MODEL, listModels, type ModelLocation, resolveModel } from './models.ts';
export {
  openSafetensors,
  readAll,
  readTensor,
  readTypedTensor,
  type SafetensorsFile,
  type Tensor,
  type TensorToWrite,
  writeSafetensors,
} from './safetensors.ts';
export {
  MAX_HEADER_BYTES,
  parseSafetensorsHeader,
  type SafetensorsHeader,
  type TensorEntry,
} from './safetensors-header.ts';
export {
  dropPositionIds,
  type RenameTensor,
  renameVaeAttention,
  type StoredTensor,
  type WeightSource,
  weightSource,
} from './weight-source.ts';
