/** @file What guides a method and what selects, from its objective. */

import { scoresBehind } from '../../request/detectors.ts';
import { parseObjective } from '../../request/objective-text.ts';
import type { DifferentiationSettings } from '../../request/settings/differentiation.ts';
import type { ObjectiveSettings } from '../../request/settings/objective.ts';
import type { RegionSettings } from '../../request/settings/regions.ts';
import type { SelectionSettings } from '../../request/settings/selection.ts';
import { MODEL_CLIP } from '../../request/wanted-scorer.ts';
import type { ScoreRoles } from './method.ts';

type GuidedSettings = Pick<SelectionSettings, 'keep' | 'targetClip'> &
  Partial<Pick<SelectionSettings, 'selector'>> &
  Pick<ObjectiveSettings, 'objective'> &
  Partial<Pick<RegionSettings, 'saliency' | 'regionText'>> &
  Partial<Pick<DifferentiationSettings, 'clipConsistencyWeight'>>;

/** The scorers of an objective, each once. */
export const scorersOf = (objective: string): string[] => [
  ...new Set(parseObjective(objective).map(({ name }) => name)),
];

/**
 * A method that follows the gradients of its objective. What finds its salient regions guides as well, and so does the CLIP of the model
 * where it says which part of the prompt a region answers to, or keeps frames alike. That CLIP selects where its score ends the run.
 */
export function guidedByObjective({
  keep,
  targetClip,
  saliency,
  regionText,
  objective,
  selector = '',
  clipConsistencyWeight = 0,
}: GuidedSettings): ScoreRoles {
  const scorers = scorersOf(objective);
  const finders = saliency === undefined ? [] : scoresBehind(saliency);
  const pairing = regionText === 'parts' ? [MODEL_CLIP] : [];
  const frames = clipConsistencyWeight > 0 ? [MODEL_CLIP] : [];
  const ending = targetClip < 100 ? [MODEL_CLIP] : [];
  return {
    guides: [...new Set([...scorers, ...finders, ...pairing, ...frames])],
    selects: [...new Set([...selectedBy(keep, selector === '' ? scorers : scorersOf(selector)), ...ending])],
  };
}

/** A method that searches: its best image is the one of the highest score by the objective. */
export function selectedByObjective({
  objective,
  targetClip,
}: Pick<ObjectiveSettings, 'objective'> & Pick<SelectionSettings, 'targetClip'>): ScoreRoles {
  return { guides: [], selects: guidedByObjective({ keep: 'objective', objective, targetClip }).selects };
}

function selectedBy(keep: SelectionSettings['keep'], scorers: readonly string[]): readonly string[] {
  if (keep === 'last') return [];
  return keep === 'clip' ? [MODEL_CLIP] : scorers;
}
