/** @file What each score is to each method, and which scores may judge all of them. */
import type { EvaluatedMethod, Manifest, ScoreInfo, ScoreRole } from '../cells/manifest.ts';
import { networkOf } from '../scores/network-of.ts';

/** Whether it is the score of the whole image in the network's usual convention: what charts and sentences speak of. */
export function isHeadline({ name }: ScoreInfo): boolean {
  return networkOf(name) === name;
}

/**
 * What a score is to a method. Another convention, another part of the image or another name of the same weights is no other
 * judge: they rise with the score that is followed.
 */
export function roleOf(
  { guides, selects }: EvaluatedMethod,
  score: ScoreInfo,
  scores: readonly ScoreInfo[],
): ScoreRole {
  const isSame = (other: string) =>
    networkOf(other) === networkOf(score.name) ||
    (score.weights !== undefined && scores.find(({ name }) => name === other)?.weights === score.weights);
  if (guides.some(isSame)) return 'guides';
  return selects.some(isSame) ? 'selects' : 'judges';
}

/** Whether it neither guided nor selected any method. */
export function judgesAll({ methods, scores }: Manifest, score: ScoreInfo): boolean {
  return methods.every((method) => roleOf(method, score, scores) === 'judges');
}

/** The judge that knows the truth of its prompts; other scores estimate it. */
const EXACT = 'judge';

/**
 * The scores that may judge every method, the one that decides first: the judge that knows the truth, then those whose means
 * have a meaning, then the others.
 */
export function judgingScores(manifest: Manifest): ScoreInfo[] {
  const rank = ({ name, isAveraged }: ScoreInfo) => (name === EXACT ? 0 : isAveraged ? 1 : 2);
  return manifest.scores
    .filter((score) => isHeadline(score) && judgesAll(manifest, score))
    .sort((a, b) => rank(a) - rank(b));
}
