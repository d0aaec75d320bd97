/** @file How each score agrees with the judge about the images of a prompt. */
import type { Manifest, ScoreInfo } from '../cells/manifest.ts';
import { withinCorrelation } from '../statistics/within-correlation.ts';
import { isSearch } from './equal-cost.ts';
import { type PromptResults, placeOf, type Scope, scoreOf } from './results.ts';
import { isHeadline } from './roles.ts';
import type { AgreementRow } from './summary.ts';

/**
 * Correlations with the first judge over images that nothing guided: all candidates of a search where they have both scores, else
 * the reference's images of several seeds.
 */
export function agreementRows(
  scope: Scope,
  { methods, reference, scores }: Manifest,
  [judge]: readonly ScoreInfo[],
): AgreementRow[] {
  if (judge === undefined) return [];
  const searches = methods.filter(isSearch).map(({ label }) => label);
  return scores
    .filter((score) => isHeadline(score) && score.name !== judge.name)
    .flatMap(({ name, higherIsBetter }): AgreementRow[] => {
      const ofCandidates = scope.prompts.map((prompt) => candidatePairs(prompt, searches, name, judge.name));
      const isKnown = ofCandidates.some((pairs) => pairs.length > 1);
      const groups = isKnown
        ? ofCandidates
        : scope.prompts.map((prompt) => seedPairs(prompt, reference, name, judge.name));
      const found = withinCorrelation(groups);
      if (found === undefined) return [];
      // Both as they would be climbed.
      const sign = higherIsBetter === judge.higherIsBetter ? 1 : -1;
      const { low, high } = found.interval ?? { low: found.r, high: found.r };
      return [
        {
          ...placeOf(scope),
          score: name,
          judge: judge.name,
          r: sign * found.r,
          interval:
            found.interval === undefined
              ? null
              : { low: Math.min(sign * low, sign * high), high: Math.max(sign * low, sign * high) },
          prompts: found.groups,
          images: found.pairs,
        },
      ];
    });
}

type Scored = Parameters<typeof scoreOf>[0];

function pairsOf(images: readonly Scored[], score: string, judge: string): [number, number][] {
  return images.flatMap((image): [number, number][] => {
    const [x, y] = [scoreOf(image, score), scoreOf(image, judge)];
    return x === undefined || y === undefined ? [] : [[x, y]];
  });
}

/** Of every candidate of the searches. */
function candidatePairs(
  { byMethod }: PromptResults,
  searches: readonly string[],
  score: string,
  judge: string,
) {
  const candidates = searches.flatMap((label) =>
    (byMethod.get(label) ?? []).flatMap(({ cell }) => cell.curve ?? []),
  );
  return pairsOf(candidates, score, judge);
}

function seedPairs({ byMethod }: PromptResults, reference: string, score: string, judge: string) {
  return pairsOf(
    (byMethod.get(reference) ?? []).map(({ cell }) => cell),
    score,
    judge,
  );
}
