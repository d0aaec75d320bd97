export { anchored } from './anchored.ts';
export type { DdimCoefficients, DdimInvertOptions, DdimOptions } from './ddim.ts';
export { ddim, ddimCoefficients, ddimInvert } from './ddim.ts';
export type { Denoiser } from './denoiser.ts';
export { predictNoise, pullbackNoise } from './denoiser.ts';
export type { DpmSolverOptions } from './dpm-solver.ts';
export { dpmSolver } from './dpm-solver.ts';
export type { EdictOptions } from './edict.ts';
export { edict } from './edict.ts';
export type { EulerAncestralOptions, EulerOptions } from './euler.ts';
export { euler, eulerAncestral } from './euler.ts';
export type { FreshNoise } from './fresh-noise.ts';
export { fixedNoise } from './fresh-noise.ts';
export type { InvertOptions } from './inversion.ts';
export { invertChain } from './inversion.ts';
export type { LcmOptions } from './lcm.ts';
export { lcm } from './lcm.ts';
export type { SamplerName, SamplerSettings } from './named-sampler.ts';
export { isStochastic, namedSampler, SAMPLER_NAMES } from './named-sampler.ts';
export { addNoise, noiseCoefficients, predictOriginal } from './noising.ts';
export { pndm } from './pndm.ts';
export type { Latents, Sampler, Stage } from './sampler.ts';
export type {
  BetaSchedule,
  PredictionType,
  Schedule,
  SchedulerConfig,
  TimestepSpacing,
  Transition,
} from './schedule.ts';
export { createSchedule } from './schedule.ts';
export { sparseJacobian } from './sparse-jacobian.ts';
export type {
  SampleOptions,
  StepInfo,
  Trajectory,
  TrajectoryKind,
  TrajectoryOptions,
  WalkOptions,
} from './trajectory.ts';
export { runTrajectory, sample } from './trajectory.ts';
