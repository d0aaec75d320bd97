/** @file `sgool/diffusion`: noise paths, samplers, and the chain with its backward pass and its inverse. */
export type { Denoiser } from '../diffusion/denoiser.ts';
export { invertChain } from '../diffusion/inversion.ts';
export type { NoisePath } from '../diffusion/noise-path.ts';
export type { Latents, Sampler, Stage } from '../diffusion/sampler.ts';
export { ddim } from '../diffusion/samplers/ddim.ts';
export { edict } from '../diffusion/samplers/edict.ts';
export { createSchedule, type Schedule, type SchedulerConfig } from '../diffusion/schedule.ts';
export {
  runTrajectory,
  type SampleOptions,
  type StepInfo,
  sample,
  type Trajectory,
  type TrajectoryKind,
  type TrajectoryOptions,
} from '../diffusion/trajectory.ts';
