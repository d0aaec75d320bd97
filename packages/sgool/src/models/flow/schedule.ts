/** @file The noise path of a flow's folder, by the size of the image. */
import { createFlowPath, type FlowPathOptions, type FlowSchedulerConfig } from '../../diffusion/flow-path.ts';
import type { NoisePath } from '../../diffusion/noise-path.ts';
import { flowValue, refuseForeignScheduler } from '../../diffusion/scheduler-keys.ts';
import type { ModelFolder } from '../../weights/open/model-folder.ts';
import type { ModelSummary } from '../backbone.ts';
import { latentSize, notesOrFault } from '../latent-size.ts';
import { type SchedulerInfo, schedulerInfo } from '../scheduler-notes.ts';

/** What a family's pipeline adds to the scheduler's file. */
export interface FlowScheduleParts extends FlowPathOptions {
  /** The file of the published models, for folders without one. */
  readonly published: FlowSchedulerConfig;
}

/** What the configurations of a flow say. */
export function flowSummary(
  folder: ModelFolder,
  schedule: FlowScheduleParts,
  sampleSize: unknown,
): ModelSummary {
  return {
    ...latentSize(folder, sampleSize, undefined),
    predictionType: 'velocity',
    notes: notesOrFault(() => flowSchedule(folder, schedule).sampling.notes),
  };
}

/** The paths of a model. */
export interface FlowSchedule {
  readonly sampling: SchedulerInfo;
  /** The time of pure noise, as the network gets it. */
  readonly trainTimesteps: number;
  /** The path for an image of so many tokens. */
  pathOf(imageTokens: number): NoisePath;
}

/**
 * The schedule of a folder.
 *
 * @throws UserError for a scheduler that does not belong to a rectified flow, or a value that is not honoured
 */
export function flowSchedule(
  folder: Pick<ModelFolder, 'dir' | 'modelIndex' | 'schedulerConfig'>,
  { published, ...options }: FlowScheduleParts,
): FlowSchedule {
  const isMissing = Object.keys(folder.schedulerConfig).length === 0;
  const config: FlowSchedulerConfig = isMissing ? published : folder.schedulerConfig;
  refuseForeignScheduler(config, 'rectified-flow');
  const info = schedulerInfo({ ...folder, schedulerConfig: config }, 'rectified-flow');
  const note = `${folder.dir} has no scheduler/scheduler_config.json: that of the published models is used`;
  // Refuses what is not honoured now, not when the first image is made.
  createFlowPath(config, 1, options);
  return {
    sampling: {
      ...info,
      sampler: info.sampler ?? 'euler',
      notes: isMissing ? [note, ...info.notes] : info.notes,
    },
    trainTimesteps: Number(flowValue(config, 'num_train_timesteps')),
    pathOf: (imageTokens) => createFlowPath(config, imageTokens, options),
  };
}
