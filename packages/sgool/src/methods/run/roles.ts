/** @file What guides a method and what selects, from its objective. */
import { parseObjective } from '../../request/objective-text.ts';
import type { ObjectiveSettings, RegionSettings, SelectionSettings } from '../../request/settings.ts';
import { MODEL_CLIP } from '../../request/wanted-scorer.ts';
import type { ScoreRoles } from './method.ts';

type GuidedSettings = Pick<SelectionSettings, 'keep' | 'targetClip'> &
  Pick<ObjectiveSettings, 'objective'> &
  Partial<Pick<RegionSettings, 'saliency' | 'regionText'>>;

/** The scorers of an objective, each once. */
export const scorersOf = (objective: string): string[] => [
  ...new Set(parseObjective(objective).map(({ name }) => name)),
];

/**
 * A method that follows the gradients of its objective. The CLIP of the model guides, too, where it says what is salient (Grad-CAM) or
 * which part of the prompt a region answers to, and selects where its score ends the run.
 */
export function guidedByObjective({
  keep,
  targetClip,
  saliency,
  regionText,
  objective,
}: GuidedSettings): ScoreRoles {
  const scorers = scorersOf(objective);
  const showsClip = saliency?.startsWith('grad-cam') || regionText === 'parts';
  return {
    guides: showsClip ? withClip(scorers) : scorers,
    selects: targetClip < 100 ? withClip(selectedBy(keep, scorers)) : selectedBy(keep, scorers),
  };
}

function selectedBy(keep: SelectionSettings['keep'], scorers: readonly string[]): readonly string[] {
  if (keep === 'last') return [];
  return keep === 'clip' ? [MODEL_CLIP] : scorers;
}

const withClip = (names: readonly string[]) => [...new Set([...names, MODEL_CLIP])];
