/**
 * @file Every setting of every method: the groups as help texts show them, and one table by key.
 *
 * A group is a file beside this one. A method has the settings of some groups (see `methods/`).
 *
 * The description of a setting is kept in its schema, so that help texts, documentation and other surfaces share it.
 */
import { attentionSettings } from './attention.ts';
import { clipGuidanceSettings } from './clip-guidance.ts';
import { cutoutSettings } from './cutouts.ts';
import { detailSettings } from './detail.ts';
import { differentiationSettings } from './differentiation.ts';
import { clipSettings, frameLossSettings } from './frames.ts';
import { objectiveSettings } from './objective.ts';
import { optimiserSettings } from './optimiser.ts';
import { planSettings } from './plan.ts';
import { regionSettings } from './regions.ts';
import { resamplingSettings } from './resampling.ts';
import { type SamplingSettings, samplingSettings } from './sampling.ts';
import { searchSettings } from './search.ts';
import { selectionSettings } from './selection.ts';
import type { SettingsOf, SettingsShape } from './shape.ts';
import { steeringSettings } from './steering.ts';
import { targetSettings } from './target.ts';

const without = (shape: SettingsShape, others: SettingsShape): SettingsShape =>
  Object.fromEntries(Object.entries(shape).filter(([key]) => !Object.hasOwn(others, key)));

/** The groups under their headings, in the order in which help texts show them. */
export const SETTING_GROUPS: readonly (readonly [heading: string, settings: SettingsShape])[] = [
  ['Clip', { ...clipSettings, ...frameLossSettings }],
  ['Sampling', without(samplingSettings, clipSettings)],
  ['Iterations', selectionSettings],
  ['Objective', objectiveSettings],
  ['Target of CLIP', targetSettings],
  ['Salient regions', regionSettings],
  ['Cutouts', cutoutSettings],
  ['Optimiser', optimiserSettings],
  ['Search', searchSettings],
  ['Resampling', resamplingSettings],
  ['Gradient', without(differentiationSettings, frameLossSettings)],
  ['CLIP guidance', clipGuidanceSettings],
  ['Steering', steeringSettings],
  ['Detail pass', detailSettings],
  ['Attention', attentionSettings],
  ['Plan', planSettings],
];

/** Schemas of all settings by key. */
export const SETTINGS = {
  ...samplingSettings,
  ...differentiationSettings,
  ...selectionSettings,
  ...objectiveSettings,
  ...targetSettings,
  ...regionSettings,
  ...cutoutSettings,
  ...optimiserSettings,
  ...searchSettings,
  ...resamplingSettings,
  ...clipGuidanceSettings,
  ...steeringSettings,
  ...detailSettings,
  ...attentionSettings,
  ...planSettings,
};

/**
 * All settings; each method has some of them.
 *
 * @interface
 */
export type Settings = SettingsOf<typeof SETTINGS>;
export type SettingKey = keyof Settings;

/** What is known of the settings of a method without knowing which method it is. */
export type MethodSettings = SamplingSettings & Partial<Settings>;
