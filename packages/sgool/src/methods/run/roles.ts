/** @file What guides a method and what selects, for the methods that CLIP guides. */
import { scoresBehind } from '../../request/detectors.ts';
import type { DetectionSettings, SelectionSettings } from '../../request/settings.ts';
import type { ScoreRoles } from './method.ts';

/** The score of the CLIP that guides, as `sgool score` and `sgool evaluate` call it. */
export const GUIDING_CLIP = 'clip_a';

/**
 * A method that follows the gradient of CLIP. It selects by CLIP too, unless it keeps its last image: the loss is CLIP's. What finds its
 * salient regions guides it as well.
 */
export function guidedByClip({
  keep,
  saliency,
}: Pick<SelectionSettings, 'keep'> & Partial<Pick<DetectionSettings, 'saliency'>>): ScoreRoles {
  const guides = new Set([GUIDING_CLIP, ...(saliency === undefined ? [] : scoresBehind(saliency))]);
  return { guides: [...guides], selects: keep === 'last' ? [] : [GUIDING_CLIP] };
}
