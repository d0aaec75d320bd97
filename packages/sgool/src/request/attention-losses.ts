/** @file What the losses of the attention know of, without their formulas: for checks of a request. */
import type { AttentionLossName } from './settings/attention.ts';
import type { Settings } from './settings/index.ts';

/** Relations between words and places of the image. */
export const RELATIONS = ['exists', 'apart', 'belongs'] as const;
export type Relation = (typeof RELATIONS)[number];

/** What a loss is for. */
export interface LossFacts {
  /** The relations that it has a term for. Requirements with others are refused. */
  readonly relations: readonly Relation[];
  /** The published thresholds of `presence` by place in the chain (a share of the steps); none where nothing was published. */
  readonly thresholds: readonly (readonly [place: number, presence: number])[];
}

/** By name; `objectives/attention/losses/` has the formulas. */
export const LOSS_FACTS: Readonly<Record<AttentionLossName, LossFacts>> = {
  'attend-and-excite': {
    relations: ['exists'],
    thresholds: [
      [0, 0.05],
      [0.2, 0.5],
      [0.4, 0.8],
    ],
  },
  predicated: { relations: ['exists', 'apart', 'belongs'], thresholds: [] },
  'divide-and-bind': {
    relations: ['exists', 'belongs'],
    thresholds: [
      [0, 0.05],
      [0.2, 0.2],
      [0.4, 0.3],
    ],
  },
  syngen: { relations: ['belongs'], thresholds: [] },
};

/** Whether the latent is moved at some steps until a threshold is reached. */
export function hasThresholds({
  refineThresholds = 'none',
  attentionLoss = 'attend-and-excite',
}: Partial<Pick<Settings, 'refineThresholds' | 'attentionLoss'>>): boolean {
  const isPublished = refineThresholds.trim() === 'published';
  return isPublished ? LOSS_FACTS[attentionLoss].thresholds.length > 0 : refineThresholds.trim() !== 'none';
}
