/** @file The public exports of @sgool/autodiff. */

export {
  type CheckpointOptions,
  checkpoint,
  type GradientOptions,
  grad,
  gradient,
} from './gradient/gradient.ts';
export type { DType, TypedArray } from './graph/dtype.ts';
export { type Shape, sizeOf } from './graph/shape.ts';
export {
  type ConstantSource,
  constant,
  constantsOf,
  type Graph,
  input,
  scalar,
  type Tensor,
  type TensorMap,
  type TensorSpec,
  trace,
} from './graph/trace.ts';
export { type ImportedModel, type ImportOptions, importOnnx } from './onnx/import.ts';
export {
  bceWithLogits,
  geglu,
  gelu,
  geluTanh,
  quickGelu,
  relu,
  silu,
  softplus,
} from './ops/activation.ts';
export {
  abs,
  acos,
  asin,
  cast,
  clip,
  cos,
  div,
  equal,
  erf,
  exp,
  greater,
  greaterOrEqual,
  less,
  lessOrEqual,
  log,
  maximum,
  minimum,
  pow,
  sigmoid,
  sin,
  sqrt,
  square,
  stopGradient,
  tanh,
  where,
} from './ops/arithmetic.ts';
export {
  type AttentionOptions,
  type AttentionResult,
  attention,
  attentionWithProbabilities,
} from './ops/attention.ts';
export { controlDependency } from './ops/control-dependency.ts';
export { type Conv2dOptions, conv2d, convTranspose2d, type Padding } from './ops/conv.ts';
export { add, expand, mul, neg, type Operand, type ReduceOptions, reshape, sub, sum } from './ops/core.ts';
export { embedding, gather } from './ops/gather.ts';
export { linear, matmul, transposeLast } from './ops/matmul.ts';
export {
  type BatchNormStatistics,
  batchNorm,
  batchStatistics,
  groupNorm,
  groupNormSilu,
  layerNorm,
} from './ops/norm.ts';
export {
  type AdamWOptions,
  type AdamWState,
  adamW,
  clipByGlobalNorm,
  exponentialMovingAverage,
  type MuonOptions,
  type MuonState,
  muon,
} from './ops/optimisers.ts';
export { type MatrixStack, ParameterLayout, type ParameterSlot } from './ops/parameter-layout.ts';
export { avgPool2d, maxPool2d, type PoolOptions, resizeNearest } from './ops/pool.ts';
export { max, mean, min } from './ops/reduce.ts';
export { resizeBilinear, resizeNearestTo } from './ops/resize.ts';
export { type AxisSlice, concat, full, pad, slice, split, stack, transpose, zerosLike } from './ops/shape.ts';
export { logSoftmax, softmax } from './ops/softmax.ts';
export { upsampledConv2d } from './ops/upsampled-conv.ts';
export { frozen, scoped, type Weights } from './ops/weights.ts';
export { type GraphCost, graphCost } from './passes/cost.ts';
export { DEVICES, type Device, type Layout, type Precision } from './passes/target.ts';
export {
  chooseDevice,
  type DeviceNeeds,
  DeviceUnavailableError,
  deviceState,
  freeMemory,
  runtimeLibrary,
} from './runtime/device.ts';
export {
  checkDeviceOptions,
  DEVICE_OPTIONS,
  type DeviceOption,
  type DeviceOptions,
} from './runtime/device-options.ts';
export { OverflowError } from './runtime/loss-scaler.ts';
export type { DeviceState, RuntimeLibrary } from './runtime/onnx-runtime.ts';
export { type Arrays, type CompileOptions, compile, type Program } from './runtime/program.ts';
export { isResident, resident } from './runtime/resident.ts';
