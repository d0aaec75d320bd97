/**
 * @file `sgool/diffusion`: noise paths, samplers, and the chain with its backward pass and its inverse.
 *
 * @packageDocumentation
 */
export type { Denoiser } from '../diffusion/denoiser.ts';
export {
  createFlowPath,
  type FlowPathOptions,
  type FlowSchedulerConfig,
  type FlowSigmas,
} from '../diffusion/flow-path.ts';
export type { FreshNoise } from '../diffusion/fresh-noise.ts';
export { type InvertOptions, invertChain } from '../diffusion/inversion.ts';
export type {
  Combination,
  NoisePath,
  PathKind,
  PathOde,
  Predicted,
  StepCoefficients,
  StopOptions,
  StopRule,
  Stops,
  TimestepSpacing,
} from '../diffusion/noise-path.ts';
export { type RestOfChain, restOfChain } from '../diffusion/rest-of-chain.ts';
export type { Latents, NoiseMix, Sampler, Stage } from '../diffusion/sampler.ts';
export { type DdimOptions, ddim } from '../diffusion/samplers/ddim.ts';
export { type EdictOptions, edict } from '../diffusion/samplers/edict.ts';
export { type EulerOptions, euler } from '../diffusion/samplers/euler.ts';
export { type MidpointOptions, midpoint } from '../diffusion/samplers/midpoint.ts';
export { type ReversibleHeunOptions, reversibleHeun } from '../diffusion/samplers/reversible-heun.ts';
export {
  createSchedule,
  type PredictionType,
  type Schedule,
  type SchedulerConfig,
} from '../diffusion/schedule.ts';
export { type Steering, steeredSampler } from '../diffusion/steered-sampler.ts';
export {
  type ChainOptions,
  runTrajectory,
  type SampleOptions,
  type StepInfo,
  sample,
  type Trajectory,
  type TrajectoryKind,
  type TrajectoryOptions,
} from '../diffusion/trajectory.ts';
