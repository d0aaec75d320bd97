/** @file The noise schedule of a Stable Diffusion folder, and what its pipeline changes in the scheduler's file. */
import {
  createSchedule,
  type Schedule,
  type SchedulerConfig,
  STABLE_DIFFUSION_SCHEDULER,
} from '../../diffusion/schedule.ts';
import {
  refuseForeignScheduler,
  schedulerClass,
  unsupportedScheduler,
} from '../../diffusion/scheduler-keys.ts';
import type { ModelFolder } from '../../weights/open/model-folder.ts';
import type { BackboneInfo } from '../model-info.ts';
import { schedulerInfo } from '../scheduler-notes.ts';

/** Where the files say nothing. */
const STABLE_DIFFUSION = { ...STABLE_DIFFUSION_SCHEDULER, prediction_type: 'epsilon' } as const;

type Sampling = Pick<BackboneInfo, 'sampler' | 'unsupportedSampler' | 'notes' | 'samplerNotes'>;

/** How much a clip's noise spreads over time where nothing else is said: as AnimateDiff was trained. */
const CLIP_BETAS = 'linear';

/**
 * The schedule of clips, where it is not that of pictures.
 *
 * Motion adapters are trained with linear betas, on models for pictures with scaled linear ones, and diffusers' users exchange the scheduler
 * with the adapter. So of a folder for pictures all keys are kept but `beta_schedule`; an adapter's own scheduler, if it has one, is taken as
 * it is; a folder for clips has the right one.
 *
 * Reference: Guo et al. 2023, "AnimateDiff", section 4 and its published configurations.
 *
 * @param isForClips whether the folder is itself one of a model for clips
 */
export function clipSchedule(
  { dir, schedulerConfig, motionSchedulerConfig }: ModelFolder,
  isForClips: boolean,
): { schedule: Schedule; notes: readonly string[] } | undefined {
  if (motionSchedulerConfig !== undefined) {
    refuseForeignScheduler(motionSchedulerConfig);
    return { schedule: createSchedule({ ...motionSchedulerConfig, steps_offset: 1 }), notes: [] };
  }
  const isMissing = Object.keys(schedulerConfig).length === 0;
  const given: SchedulerConfig = isMissing ? STABLE_DIFFUSION : schedulerConfig;
  const { beta_schedule: betas = 'linear' } = given;
  if (isForClips || betas === CLIP_BETAS || given.trained_betas) return undefined;
  const note = `${dir}: clips are sampled with ${CLIP_BETAS} betas, as motion adapters are trained, where its scheduler says ${betas} for pictures`;
  return {
    schedule: createSchedule({ ...given, beta_schedule: CLIP_BETAS, steps_offset: 1 }),
    notes: [note],
  };
}

/**
 * The schedule of a folder. As `StableDiffusionPipeline` of diffusers does, `steps_offset` becomes 1 whatever the file says, and
 * latents are never clipped.
 *
 * @throws UserError for a class of scheduler that does not belong to Stable Diffusion, or a value that is out of range
 */
export function stableDiffusionSchedule({
  dir,
  modelIndex,
  schedulerConfig,
}: Pick<ModelFolder, 'dir' | 'modelIndex' | 'schedulerConfig'>): { schedule: Schedule } & Sampling {
  const isMissing = Object.keys(schedulerConfig).length === 0;
  if (isMissing) {
    const note = `${dir} has no scheduler/scheduler_config.json: Stable Diffusion's own noise schedule is used, for a network that predicts noise (prediction_type epsilon)`;
    return { schedule: createSchedule(STABLE_DIFFUSION), sampler: 'ddim', notes: [note] };
  }
  refuseForeignScheduler(schedulerConfig);
  const given: SchedulerConfig = schedulerConfig;
  const { notes, ...sampling } = schedulerInfo({ modelIndex, schedulerConfig }, 'variance-preserving');
  const unsupported = unsupportedScheduler(given);
  const offset = given.steps_offset;
  const spacing = given.timestep_spacing ?? schedulerClass(given)?.keys.timestep_spacing.default ?? 'leading';
  const isMoved = offset !== undefined && offset !== 1 && spacing === 'leading';
  return {
    schedule: createSchedule({ ...given, steps_offset: 1 }),
    ...sampling,
    ...(unsupported === undefined ? {} : { unsupportedSampler: unsupported }),
    notes: [
      ...(unsupported === undefined ? [] : [unsupported]),
      ...notes,
      ...(isMoved
        ? [`scheduler: steps_offset ${offset} is taken as 1, as the pipeline of Stable Diffusion does`]
        : []),
    ],
  };
}
