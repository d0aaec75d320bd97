/** @file Floor 2: weights in files. */

export {
  ADDED_NAMES,
  type AddedName,
  findAdded,
  storeAdded,
  userDataDir,
} from './added.ts';
export { fileSystemReason, replaceFile, writeFileAtomic } from './atomic-file.ts';
export { openClipFile } from './clip-file.ts';
export { type Dtype, isFloat, type TensorData } from './dtypes.ts';
export { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from './float16.ts';
export type { Environment } from './hub/environment.ts';
export { applyLora, type Lora, type LoraChoice, openLora } from './lora.ts';
export {
  type Config,
  type ModelComponent,
  type ModelFolder,
  openComponent,
  openModelFolder,
  readConfig,
} from './model-folder.ts';
export { DEFAULT_MODEL, listModels, type ModelLocation, resolveModel } from './models.ts';
export { type OpenModelOptions, openClip, openModel, openVae } from './open-model.ts';
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
export { openSingleFile, type Prediction, type SingleFileOptions } from './single-file.ts';
export { openTensorFile } from './tensor-file.ts';
export {
  asFloat32,
  float32Of,
  reshaped,
  rows,
  squeezed,
  transposed,
  valuesOf,
} from './tensor-views.ts';
export { openTorchFile } from './torch/torch-file.ts';
export {
  type ComputedTensor,
  dropPositionIds,
  type RenameTensor,
  renameVaeAttention,
  type StoredTensor,
  sourceOf,
  type TensorFile,
  type WeightSource,
  type WeightTensor,
  weightBytes,
  weightSource,
} from './weight-source.ts';
