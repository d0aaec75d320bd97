/** @file How many iterations there are, and which one is the result. */
import { z } from 'zod';
import { budgetText } from '../budget.ts';
import { scorersText } from './scorers-text.ts';
import type { SettingsOf } from './shape.ts';

/** Most iterations of a run. */
export const MOST_ITERATIONS = 10_000;

/** How many iterations there are, which one is the result, and what ends a run early. */
export const selectionSettings = {
  iterations: z
    .int()
    .min(0)
    .max(MOST_ITERATIONS)
    .describe(
      'iterations after the plain image: updates of the noise, further noises (searches), populations (resampling)',
    ),
  budget: budgetText.describe(
    'what the run may spend: 640calls (network evaluations, forward and back), 2e12flops (of all networks) or 30s; it ends before an iteration that would not fit, and without iterations makes as many as fit; empty for no limit',
  ),
  keep: z
    .enum(['loss', 'clip', 'objective', 'last'])
    .describe(
      'iteration that is the result: of lowest loss (loss), of highest CLIP A score (clip), of highest score of the whole image by the scorers of selector, or else of the objective (objective), or the last (last)',
    ),
  selector: scorersText(0)
    .refine(
      (text) => !/@regions\s*(?=[:,]|$)/.test(text),
      'must have no @regions: what selects sees the whole image',
    )
    .describe(
      'scorers of the whole image that select the result where keep is objective, written like an objective, such as clip_c; empty for the objective itself',
    ),
  patience: z
    .int()
    .min(0)
    .max(10_000)
    .describe(
      'stop after this many iterations that brought no lower loss or, with keep objective, no higher score; 0 for never',
    ),
  minImprovement: z
    .number()
    .min(0)
    .max(100)
    .describe('how far the loss must fall, or the score rise, to count (see patience)'),
  targetClip: z
    .number()
    .min(-100)
    .max(100)
    .describe('stop when the CLIP A score reaches this value; 100 for never'),
};

/** Which iteration is the result, for methods without a loss that two iterations could be compared by. */
export const keepWithoutLoss = selectionSettings.keep
  .exclude(['loss'])
  .describe(selectionSettings.keep.description ?? '');

export type SelectionSettings = SettingsOf<typeof selectionSettings>;
