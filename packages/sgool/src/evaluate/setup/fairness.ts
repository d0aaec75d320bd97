/** @file Whether the methods of an evaluation are compared fairly: the same noise, the same sampling, scores that may judge. */
import type { EvaluatedMethod, Manifest, ScoreInfo } from '../cells/manifest.ts';
import type { EvaluatedCell } from '../cells/run-folder.ts';
import { networkOf } from '../scores/network-of.ts';

/** Settings of sampling; methods that differ in one of them are not compared like with like. */
const SAMPLING = ['sampler', 'steps', 'guidanceScale', 'eta', 'width', 'height', 'rng'] as const;

/** Whether a score may judge a method: neither it, nor another one of the same network, guides the method or selects for it. */
export function mayJudge(
  { guides, selects }: Pick<EvaluatedMethod, 'guides' | 'selects'>,
  score: string,
): boolean {
  return ![...guides, ...selects].some((name) => networkOf(name) === networkOf(score));
}

/** What is not fair about an evaluation and only its reader can judge, in one line each. */
export function fairnessNotes({ methods, scores }: Pick<Manifest, 'methods' | 'scores'>): string[] {
  return [
    ...samplingDifferences(methods),
    ...judgesMissing(methods, scores),
    ...sameNetworks(scores),
    ...(methods.length > 1 && !methods.some(({ selectsPlainImages }) => selectsPlainImages)
      ? ['best-of is not among the methods: it shows what the same cost buys without any guidance']
      : []),
  ];
}

function samplingDifferences(methods: readonly EvaluatedMethod[]): string[] {
  return SAMPLING.flatMap((key) => {
    const values = new Map<string, string[]>();
    for (const { label, settings } of methods) {
      if (!(key in settings)) continue;
      const value = String(settings[key]);
      values.set(value, [...(values.get(value) ?? []), label]);
    }
    if (values.size < 2) return [];
    const list = [...values].map(([value, labels]) => `${value} (${labels.join(', ')})`);
    return [`the methods differ in ${key}: ${list.join(', ')}`];
  });
}

/** Methods that no score may judge. */
function judgesMissing(methods: readonly EvaluatedMethod[], scores: readonly ScoreInfo[]): string[] {
  const unjudged = methods.filter((method) => !scores.some(({ name }) => mayJudge(method, name)));
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

/**
 * Prompts and seeds whose cells did not begin with the same noise, which makes methods incomparable: they differ in size, or in how
 * noise is drawn.
 *
 * @returns one line for each
 */
export function noiseDifferences(cells: readonly EvaluatedCell[]): string[] {
  const first = new Map<string, { readonly label: string; readonly noise: string }>();
  return cells.flatMap(({ record, suite, prompt, seed, label }) => {
    if (record?.status !== 'done') return [];
    const key = `${suite} ${prompt}, seed ${seed}`;
    const before = first.get(key);
    if (before === undefined) {
      first.set(key, { label, noise: record.noise });
      return [];
    }
    return before.noise === record.noise
      ? []
      : [`${key}: ${label} began with other noise than ${before.label}`];
  });
}
