/** @file The result of the experiment as a file of figures, and as tables. */
import { markdownTable, type Summary, signed } from 'sgool/evaluate';
import { summarise } from 'sgool/node';
import { goalsOf } from './goals.ts';
import type { Plan } from './plan.ts';
import type { BudgetResult } from './run-experiment.ts';

/** What is kept of a budget: no pictures, no single images, and of the prompts their ids. */
export type BudgetFigures = ReturnType<typeof figuresOf>;

/** The figures of one budget. */
export function figuresOf({ budget, choices, evaluation }: BudgetResult, plan: Plan) {
  const { manifest } = evaluation;
  const summary = summarise(evaluation, { judge: 'judge' });
  const { methods, scores, judges, cells, means, comparisons, againstSearch, best, cost, equalCost } =
    summary;
  const { equivalent, agreement, diversity, warnings, verdict, prompts, seeds, failures, machines } = summary;
  return {
    budget,
    choices,
    goals: goalsOf(evaluation, plan),
    manifest: {
      ...manifest,
      // Large seeds are bigints, which JSON does not have.
      seeds: manifest.seeds.map(String),
      suites: manifest.suites.map((suite) => ({ ...suite, prompts: suite.prompts.map(({ id }) => id) })),
    },
    summary: {
      ...{ methods, scores, judges, cells, prompts, seeds, means, comparisons, againstSearch, best, cost },
      ...{ equalCost, equivalent, agreement, diversity, warnings, verdict, failures, machines },
    },
  };
}

/** Scores, cost and equivalent N of every column at each budget. */
export function resultText(figures: readonly BudgetFigures[]): string {
  return figures.map(budgetText).join('\n');
}

function budgetText({ budget, summary, goals, choices }: BudgetFigures): string {
  const whole = summary.means.filter(({ category }) => category === undefined);
  const rows = summary.methods.map(({ label }) => [
    label,
    ...['judge', 'clip_b', 'clip_a'].map((score) => meanText(summary, whole, label, score)),
    costText(summary, label),
    worthText(summary, label),
  ]);
  const missing = choices.filter(({ chosen }) => chosen === undefined).map(({ label }) => label);
  const lines = [
    `Budget ${budget}: ${summary.prompts} prompts, ${summary.seeds} seeds; means with 95% intervals, cost in plain generations`,
    '',
    markdownTable(['method', 'judge', 'CLIP B', 'CLIP A', 'cost', 'equivalent N'], rows),
    '',
    ...(missing.length === 0 ? [] : [`No settings cost this budget: ${missing.join(', ')}`]),
    `First: ${Object.entries(goals.first)
      .map(([score, label]) => `${label} on ${score}`)
      .join(', ')}`,
    ...[...goals.overSearch, ...goals.overVariants, ...(goals.overRivals ? [goals.overRivals] : [])].map(
      ({ over, score, difference, interval }) =>
        `sgool over ${over} on ${score}: ${signed(difference, 3)} [${signed(interval.low, 3)}, ${signed(interval.high, 3)}]`,
    ),
    '',
  ];
  return lines.join('\n');
}

type Figures = Pick<Summary, 'cost' | 'equivalent' | 'scores'>;

function meanText({ scores }: Figures, means: Summary['means'], label: string, score: string): string {
  const row = means.find((one) => one.method === label && one.score === score);
  const digits = scores.find(({ name }) => name === score)?.digits ?? 2;
  if (row === undefined) return '-';
  const interval =
    row.interval === null
      ? ''
      : ` [${row.interval.low.toFixed(digits)}, ${row.interval.high.toFixed(digits)}]`;
  return `${row.mean.toFixed(digits)}${interval}`;
}

function costText({ cost }: Figures, label: string): string {
  const relative = cost.find(({ method }) => method === label)?.relative.flops;
  return relative === undefined || relative === null ? '-' : relative.toFixed(1);
}

function worthText({ equivalent }: Figures, label: string): string {
  const row = equivalent.find(
    (one) => one.method === label && one.score === 'judge' && one.category === undefined,
  );
  if (row === undefined) return '-';
  const interval =
    row.interval === null ? '' : ` [${row.interval.low.toFixed(1)}, ${row.interval.high.toFixed(1)}]`;
  return `${row.isAtLeast ? 'at least ' : ''}${row.n.toFixed(1)}${interval}`;
}
