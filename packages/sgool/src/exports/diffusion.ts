/** @file `sgool/diffusion`: schedules, samplers, and the chain there and back. */
export type { Denoiser } from '../diffusion/denoiser.ts';
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
