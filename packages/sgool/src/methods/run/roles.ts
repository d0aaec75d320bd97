/** @file What guides a method and what selects, for the methods that CLIP guides. */
import type { SelectionSettings } from '../../request/settings.ts';
import type { ScoreRoles } from './method.ts';

/** The score of the CLIP that guides, as `sgool score` and `sgool evaluate` call it. */
export const GUIDING_CLIP = 'clip_a';

/** A method that follows the gradient of CLIP. It selects by CLIP too, unless it keeps its last image: the loss is CLIP's. */
export function guidedByClip({ keep }: Pick<SelectionSettings, 'keep'>): ScoreRoles {
  return { guides: [GUIDING_CLIP], selects: keep === 'last' ? [] : [GUIDING_CLIP] };
}
