/**
 * @file `sgool/diffusion`: schedules, samplers, and the chain there and back.
 *
 * @packageDocumentation
 */
export type { Denoiser } from '../diffusion/denoiser.ts';
export type { FreshNoise } from '../diffusion/fresh-noise.ts';
export type { Latents, Sampler, Stage } from '../diffusion/sampler.ts';
export { type DdimOptions, ddim } from '../diffusion/samplers/ddim.ts';
export { type EdictOptions, edict } from '../diffusion/samplers/edict.ts';
export {
  createSchedule,
  type PredictionType,
  type Schedule,
  type SchedulerConfig,
  type TimestepSpacing,
  type Transition,
} from '../diffusion/schedule.ts';
export {
  runTrajectory,
  type SampleOptions,
  type StepInfo,
  sample,
  type Trajectory,
  type TrajectoryKind,
  type TrajectoryOptions,
  type WalkOptions,
} from '../diffusion/trajectory.ts';
