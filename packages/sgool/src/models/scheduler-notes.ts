/** @file What a scheduler's file says of sampling: the sampler that it names, and lines for the user about what it says otherwise. */
import type { PathKind } from '../diffusion/noise-path.ts';
import type { SamplerName } from '../diffusion/sampler-names.ts';
import { schedulerClass, unknownKeys, unreadKeys } from '../diffusion/scheduler-keys.ts';
import type { ModelFolder } from '../weights/open/model-folder.ts';
import type { BackboneInfo } from './model-info.ts';

/** What of a Backbone's info comes from the scheduler's file. */
export type SchedulerInfo = Pick<BackboneInfo, 'sampler' | 'samplerNotes'> & {
  readonly notes: readonly string[];
};

/** The sampler of a scheduler's file, and what of the file is not read. */
export function schedulerInfo(
  { modelIndex, schedulerConfig: config }: Pick<ModelFolder, 'modelIndex' | 'schedulerConfig'>,
  kind: PathKind,
): SchedulerInfo {
  const own = schedulerClass(config, kind);
  const indexed = Array.isArray(modelIndex.scheduler) ? modelIndex.scheduler[1] : undefined;
  const isOther = indexed !== undefined && config._class_name !== undefined && indexed !== config._class_name;
  // Of a class without a sampler here nobody knows the keys.
  const isKnown = own !== undefined || typeof config._class_name !== 'string';
  const unknown = isKnown ? unknownKeys(config, kind) : [];
  return {
    ...(own ? { sampler: own.sampler } : {}),
    notes: [
      ...(isOther
        ? [
            `scheduler: model_index.json names ${indexed}, scheduler_config.json ${config._class_name}; the latter is taken`,
          ]
        : []),
      ...(unknown.length > 0 ? [`scheduler: ${unknown.join(', ')}: no sampler reads that`] : []),
    ],
    samplerNotes: (sampler: SamplerName) => {
      const unread = unreadKeys(sampler, config, kind);
      if (unread.length === 0) return [];
      return [
        `scheduler: ${unread.join(', ')} of ${config._class_name}: the sampler ${sampler} does not read that`,
      ];
    },
  };
}
