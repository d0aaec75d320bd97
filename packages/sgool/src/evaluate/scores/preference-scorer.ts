/** @file The public preference models as scorers of an evaluation. */
import { type LoadScorerOptions, loadScorer } from '../../preference/load-scorer.ts';
import { SCORERS, type ScorerName } from '../../request/scorer-names.ts';
import type { ImageScorer } from './image-scorer.ts';
import { filesSha256 } from './weights-hash.ts';

/** Whether a mean over prompts means anything: HPS and PickScore compare images of one prompt. */
const IS_AVERAGED: Readonly<Record<ScorerName, boolean>> = {
  'hps-v1': false,
  'hps-v2': false,
  'hps-v2.1': false,
  pickscore: false,
  'image-reward': true,
};

/**
 * A preference model.
 *
 * @throws UserError where its weights or vocabulary are missing
 */
export async function preferenceScorer(name: ScorerName, options: LoadScorerOptions): Promise<ImageScorer> {
  const scorer = await loadScorer(name, options);
  const { title, scale, digits } = SCORERS[name];
  return {
    infos: [
      {
        name,
        title,
        scale,
        digits,
        higherIsBetter: true,
        isAveraged: IS_AVERAGED[name],
        tie: 10 ** -digits,
        preprocessing: "the authors' own",
        weights: await filesSha256(scorer.files),
      },
    ],
    score: async ({ image, prompt }) => ({ [name]: await scorer.score(image, prompt.text) }),
    fits: (prompt) => ({ [name]: scorer.fit(prompt) }),
    dispose: () => scorer.dispose(),
  };
}
