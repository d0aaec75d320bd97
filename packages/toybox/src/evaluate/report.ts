/** @file The report of a comparison: means of each method, and paired differences from the first one. */

import type { MethodName } from 'sgool';
import { type Comparison, comparePairs, markdownTable, mean, percent, signed } from 'sgool/evaluate';
import type { Result } from './results.ts';

/** Differences that are too small to be visible count as ties: 0.1 of 100 times the cosine, 0.01 of the judge's score. */
export const TIE_MARGIN = { clip: 0.1, judge: 0.01 } as const;

export interface MethodSummary {
  readonly prompts: number;
  /** Means; absent where the model has no such CLIP. */
  readonly clipA?: number;
  readonly clipB?: number;
  readonly judge: number;
  /** Share of the images that show every thing in its colour. */
  readonly correct: number;
  readonly seconds: number;
  readonly forward: number;
  readonly pullback: number;
}

export interface MethodComparison {
  readonly clipA?: Comparison;
  readonly clipB?: Comparison;
  readonly judge: Comparison;
  readonly correct: Comparison;
}

export interface Report {
  readonly baseline: MethodName;
  readonly methods: Readonly<Partial<Record<MethodName, MethodSummary>>>;
  /** Each other method against the baseline, prompt by prompt. */
  readonly against: Readonly<Partial<Record<MethodName, MethodComparison>>>;
}

const VALUES = {
  clipA: ({ clip }: Result) => clip.A,
  clipB: ({ clip }: Result) => clip.B,
  judge: ({ judge }: Result) => judge.score,
  correct: ({ judge }: Result) => Number(judge.correct),
} as const;
type ClipName = 'clipA' | 'clipB';

/** The CLIP scores of all results, or undefined where the model has no such CLIP. */
function clipValues(results: readonly Result[], kind: ClipName): number[] | undefined {
  const values = results.flatMap((result) => VALUES[kind](result) ?? []);
  return values.length < results.length ? undefined : values;
}

function summaryOf(results: readonly Result[]): MethodSummary {
  const average = (kind: ClipName) => {
    const values = clipValues(results, kind);
    return values && mean(values);
  };
  return {
    prompts: results.length,
    clipA: average('clipA'),
    clipB: average('clipB'),
    judge: mean(results.map(VALUES.judge)),
    correct: mean(results.map(VALUES.correct)),
    seconds: mean(results.map(({ seconds }) => seconds)),
    forward: mean(results.map(({ evaluations }) => evaluations.forward)),
    pullback: mean(results.map(({ evaluations }) => evaluations.pullback)),
  };
}

/** @param results by method, all of the same prompts in the same order; the first method is the baseline */
export function reportOf(results: ReadonlyMap<MethodName, readonly Result[]>): Report {
  const [[baseline, before], ...others] = [...results] as [
    [MethodName, readonly Result[]],
    ...(readonly [MethodName, readonly Result[]])[],
  ];
  const pairs = (after: readonly Result[], kind: ClipName, margin: number) => {
    const [a, b] = [clipValues(before, kind), clipValues(after, kind)];
    return a && b && comparePairs(a, b, margin);
  };
  return {
    baseline,
    methods: Object.fromEntries([...results].map(([name, own]) => [name, summaryOf(own)])),
    against: Object.fromEntries(
      others.map(([name, after]) => [
        name,
        {
          clipA: pairs(after, 'clipA', TIE_MARGIN.clip),
          clipB: pairs(after, 'clipB', TIE_MARGIN.clip),
          judge: comparePairs(before.map(VALUES.judge), after.map(VALUES.judge), TIE_MARGIN.judge),
          correct: comparePairs(before.map(VALUES.correct), after.map(VALUES.correct), 0),
        },
      ]),
    ),
  };
}

const figure = (value: number | undefined, digits: number) => value?.toFixed(digits) ?? '-';

/** A paired difference with its interval in brackets. */
export function difference(comparison: Comparison | undefined, digits: number, factor = 1): string {
  if (!comparison) return '-';
  const show = (value: number) => signed(factor * value, digits);
  return `${show(comparison.difference)} [${show(comparison.interval.low)}, ${show(comparison.interval.high)}]`;
}

const score = (comparison: Comparison | undefined) =>
  comparison ? `${comparison.wins}/${comparison.ties}/${comparison.losses}` : '-';

/** The tables of a report. */
export function reportText({ baseline, methods, against }: Report): string {
  const means = markdownTable(
    ['method', 'CLIP A', 'CLIP B', 'judge', 'correct', 'seconds', 'UNet forward', 'UNet backward'],
    Object.entries(methods).map(([name, m]) => [
      name,
      figure(m.clipA, 2),
      figure(m.clipB, 2),
      figure(m.judge, 3),
      percent(m.correct),
      figure(m.seconds, 1),
      figure(m.forward, 0),
      figure(m.pullback, 0),
    ]),
  );
  if (Object.keys(against).length === 0) return means;
  const differences = markdownTable(
    [`against ${baseline}`, 'CLIP A', 'CLIP B', 'judge', 'correct (points)', 'B w/t/l', 'judge w/t/l'],
    Object.entries(against).map(([name, c]) => [
      name,
      difference(c.clipA, 2),
      difference(c.clipB, 2),
      difference(c.judge, 3),
      difference(c.correct, 1, 100),
      score(c.clipB),
      score(c.judge),
    ]),
  );
  return [
    means,
    '',
    differences,
    '',
    'Means over prompts; differences with the 95% bootstrap interval of their mean; w/t/l: prompts won, tied, lost',
    `(ties: within ${TIE_MARGIN.clip} of CLIP B, within ${TIE_MARGIN.judge} of the judge's score).`,
  ].join('\n');
}
