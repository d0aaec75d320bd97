/**
 * @file `@sgool/autodiff`: tensor programs that are traced, differentiated, compiled to ONNX, and run on ONNX Runtime.
 *
 * @packageDocumentation
 *
 * @example
 * ```ts
 * import { compile, grad, square, sum, trace } from '@sgool/autodiff';
 *
 * const graph = trace({ x: { shape: [3] } }, ({ x }) => {
 *   const loss = sum(square(x));
 *   const [dx] = grad(loss, [x]);
 *   return { loss, dx };
 * });
 * const program = await compile(graph);
 * const { loss, dx } = await program.run({ x: Float32Array.of(1, 2, 3) }); // 14 and [2, 4, 6]
 * ```
 */
export { checkpoint, type GradientOptions, grad, gradient } from './gradient/gradient.ts';
export type { DType, TypedArray } from './graph/dtype.ts';
export { type Shape, sizeOf } from './graph/shape.ts';
export {
  type ConstantSource,
  constant,
  type Graph,
  input,
  scalar,
  Tensor,
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
  add,
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
  mul,
  neg,
  type Operand,
  pow,
  sigmoid,
  sin,
  sqrt,
  square,
  stopGradient,
  sub,
  tanh,
  where,
} from './ops/arithmetic.ts';
export {
  type AttentionOptions,
  type AttentionResult,
  attention,
  attentionWithProbabilities,
} from './ops/attention.ts';
export { type Conv2dOptions, conv2d, convTranspose2d, type Padding } from './ops/conv.ts';
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
  globalNorm,
  type MuonOptions,
  type MuonState,
  muon,
} from './ops/optimisers.ts';
export { avgPool2d, maxPool2d, type PoolOptions } from './ops/pool.ts';
export { max, mean, min, type ReduceOptions, sum } from './ops/reduce.ts';
export { resizeBilinear, resizeNearest } from './ops/resize.ts';
export {
  type AxisSlice,
  concat,
  expand,
  full,
  pad,
  reshape,
  slice,
  split,
  stack,
  transpose,
  zerosLike,
} from './ops/shape.ts';
export { logSoftmax, softmax } from './ops/softmax.ts';
export { upsampledConv2d } from './ops/upsampled-conv.ts';
export { frozen, scoped, type Weights } from './ops/weights.ts';
export { type GraphCost, graphCost } from './passes/cost.ts';
export type { Precision } from './passes/half-precision.ts';
export { OverflowError } from './passes/loss-scaling.ts';
export {
  chooseDevice,
  DEVICES,
  type Device,
  type DeviceNeeds,
  type DeviceState,
  DeviceUnavailableError,
  deviceState,
} from './runtime/device.ts';
export { type Arrays, type CompileOptions, compile, type Layout, Program } from './runtime/program.ts';
