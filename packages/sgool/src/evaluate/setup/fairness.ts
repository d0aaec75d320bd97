/** @file Whether the methods of an evaluation are compared fairly: the same noise, the same sampling, scores that may judge. */
import type { EvaluatedMethod, Manifest, ScoreInfo } from '../cells/manifest.ts';
import { isSearch } from '../report/equal-cost.ts';
import { samplingDifferences } from '../report/fairness.ts';
import { roleOf } from '../report/roles.ts';
import { networkOf } from '../scores/network-of.ts';

/** What is not fair about an evaluation and only its reader can judge, in one line each. */
export function fairnessNotes({ methods, scores }: Pick<Manifest, 'methods' | 'scores'>): string[] {
  return [
    ...samplingDifferences(methods).map(({ text }) => `the methods differ in ${text}`),
    ...judgesMissing(methods, scores),
    ...sameNetworks(scores),
    ...(methods.length > 1 && !methods.some(isSearch)
      ? ['best-of is not among the methods: it shows what the same cost buys without any guidance']
      : []),
  ];
}

/** Methods that no score may judge. */
function judgesMissing(methods: readonly EvaluatedMethod[], scores: readonly ScoreInfo[]): string[] {
  const unjudged = methods.filter(
    (method) => !scores.some((score) => roleOf(method, score, scores) === 'judges'),
  );
  if (unjudged.length === 0) return [];
  const used = new Set(unjudged.flatMap(({ guides, selects }) => [...guides, ...selects]));
  return [
    `no score can judge ${unjudged.map(({ label }) => label).join(', ')}: ${[...used].join(', ') || 'none'} guides or selects there; add another with --scorer`,
  ];
}

/** Scores whose names differ and whose weights do not: the one guides if the other does. */
function sameNetworks(scores: readonly ScoreInfo[]): string[] {
  const owners = new Map<string, string>();
  return scores.flatMap(({ name, weights }) => {
    if (weights === undefined) return [];
    const family = networkOf(name);
    const owner = owners.get(weights);
    owners.set(weights, owner ?? family);
    if (owner === undefined || owner === family || name !== family) return [];
    return [`${owner} and ${family} have the same weights: where one guides, the other cannot judge`];
  });
}
