/** @file Whether the goals of the experiment are reached, on the reported half. */
import { compareGroups, type Evaluation, type Interval, mean } from 'sgool/evaluate';
import type { Plan } from './plan.ts';

/** The paired difference of two columns on a score. */
export interface Difference {
  readonly over: string;
  readonly score: string;
  readonly difference: number;
  /** 95%, prompts and seeds resampled. */
  readonly interval: Interval;
  readonly prompts: number;
}

/** The goals at one budget; absent where what they compare was not had at this budget. */
export interface Goals {
  /** By score: the contender that has the highest mean among those that are no variants of the leader. */
  readonly first: Readonly<Record<string, string>>;
  /** The leader over best-of at equal cost, on each score. */
  readonly overSearch: readonly Difference[];
  /** The leader over each of its variants. */
  readonly overVariants: readonly Difference[];
  /** CLIP B over the best of the plain images and the guided methods that are rivals. */
  readonly overRivals?: Difference;
}

/** The column whose goals they are, the search, and the rivals of the paper. */
const LEADER = 'sgool';
const SEARCH = 'best-of';
const RIVALS = ['sd', 'clip-guided', 'doodl'];
const SCORES = ['judge', 'clip_b'] as const;

/** @throws RangeError where no column is the leader's */
export function goalsOf(evaluation: Evaluation, plan: Plan): Goals {
  const labels = evaluation.manifest.methods.map(({ label }) => label);
  const isVariant = (label: string) =>
    plan.contenders.some((one) => one.label === label && one.variantOf === LEADER);
  const top = (score: string, among: readonly string[]) =>
    among
      .map((label) => ({ label, mean: meanOf(evaluation, label, score) }))
      .filter((one) => Number.isFinite(one.mean))
      .toSorted((a, b) => b.mean - a.mean)[0]?.label;
  const over = (label: string, score: string) => differenceOf(evaluation, label, score);
  const rival = top(
    'clip_b',
    labels.filter((label) => RIVALS.includes(label)),
  );
  return {
    first: Object.fromEntries(
      SCORES.flatMap((score) => {
        const label = top(
          score,
          labels.filter((one) => !isVariant(one)),
        );
        return label === undefined ? [] : [[score, label] as const];
      }),
    ),
    overSearch: labels.includes(SEARCH) ? SCORES.flatMap((score) => over(SEARCH, score) ?? []) : [],
    overVariants: labels
      .filter(isVariant)
      .flatMap((label) => SCORES.flatMap((score) => over(label, score) ?? [])),
    ...(rival === undefined ? {} : { overRivals: over(rival, 'clip_b') }),
  };
}

/** Values by prompt, then by seed. */
function valuesOf({ cells }: Evaluation, label: string, score: string): Map<string, Map<string, number>> {
  const byPrompt = new Map<string, Map<string, number>>();
  for (const { label: one, prompt, seed, record } of cells) {
    if (one !== label || record?.status !== 'done') continue;
    const value = record.scores[score];
    if (typeof value !== 'number') continue;
    const seeds = byPrompt.get(prompt) ?? new Map<string, number>();
    byPrompt.set(prompt, seeds.set(String(seed), value));
  }
  return byPrompt;
}

const meanOf = (evaluation: Evaluation, label: string, score: string) =>
  mean([...valuesOf(evaluation, label, score).values()].map((seeds) => mean([...seeds.values()])));

function differenceOf(evaluation: Evaluation, over: string, score: string): Difference | undefined {
  const before = valuesOf(evaluation, over, score);
  const groups = [...valuesOf(evaluation, LEADER, score)]
    .map(([prompt, seeds]) =>
      [...seeds].flatMap(([seed, value]) => {
        const other = before.get(prompt)?.get(seed);
        return other === undefined ? [] : [value - other];
      }),
    )
    .filter((group) => group.length > 0);
  if (groups.length === 0) return undefined;
  const { difference, interval, prompts } = compareGroups(groups, 0);
  return { over, score, difference, interval, prompts };
}
