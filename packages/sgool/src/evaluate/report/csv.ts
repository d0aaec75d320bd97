/** @file The tables of a report as CSV files in the long format: one value, or one comparison, in a row. */
import type { Evaluation } from '../cells/run-folder.ts';
import { csvText } from '../csv-text.ts';
import type { Place } from './results.ts';
import type { Summary } from './summary.ts';

/** The name that stands for all suites together. */
const ALL = '(all)';
const placed = ({ suite, category }: Place) => [suite ?? ALL, category];

/** Every table by the name of its file. */
export function csvFiles({ cells, manifest }: Evaluation, summary: Summary): Record<string, string> {
  const category = new Map(
    manifest.suites.flatMap(({ name, prompts }) =>
      prompts.map((prompt) => [JSON.stringify([name, prompt.id]), prompt.category] as const),
    ),
  );
  return {
    'scores.csv': csvText(
      ['suite', 'category', 'prompt', 'text', 'seed', 'method', 'score', 'value', 'cell'],
      cells.flatMap(({ suite, prompt, cell, seed, label, record, id }) =>
        record?.status === 'done'
          ? Object.entries(record.scores).map(([score, value]) => [
              suite,
              category.get(JSON.stringify([suite, prompt])),
              prompt,
              cell.prompt,
              String(seed),
              label,
              score,
              value,
              id,
            ])
          : [],
      ),
    ),
    'means.csv': csvText(
      ['suite', 'category', 'method', 'score', 'mean', 'low', 'high', 'prompts', 'images'],
      summary.means.map((row) => [
        ...placed(row),
        row.method,
        row.score,
        row.mean,
        row.interval?.low,
        row.interval?.high,
        row.prompts,
        row.images,
      ]),
    ),
    'comparisons.csv': csvText(
      [
        'suite',
        'category',
        'method',
        'to',
        'score',
        'role',
        'difference',
        'low',
        'high',
        'p',
        'p_holm',
        'wins',
        'ties',
        'losses',
        'effect_size',
        'prompts',
        'pairs',
        'prompts_needed',
        'outcome',
      ],
      [...summary.comparisons, ...summary.againstSearch].map((row) => [
        ...placed(row),
        row.method,
        row.to,
        row.score,
        row.role,
        row.difference,
        row.interval?.low,
        row.interval?.high,
        row.p,
        row.pHolm,
        row.wins,
        row.ties,
        row.losses,
        row.effectSize,
        row.prompts,
        row.pairs,
        row.promptsNeeded,
        row.outcome,
      ]),
    ),
    'cost.csv': csvText(
      [
        'method',
        'images',
        'forward',
        'pullback',
        'flops',
        'seconds',
        'calls_relative',
        'flops_relative',
        'seconds_relative',
      ],
      summary.cost.map(({ method, images, forward, pullback, flops, seconds, relative }) => [
        method,
        images,
        forward,
        pullback,
        flops,
        seconds,
        relative.calls,
        relative.flops,
        relative.seconds,
      ]),
    ),
    'equivalent-n.csv': csvText(
      [
        'suite',
        'category',
        'method',
        'score',
        'n',
        'low',
        'high',
        'is_at_least',
        'cost',
        'n_per_cost',
        'n_per_cost_low',
        'n_per_cost_high',
      ],
      summary.equivalent.map((row) => [
        ...placed(row),
        row.method,
        row.score,
        row.n,
        row.interval?.low,
        row.interval?.high,
        row.isAtLeast,
        row.cost,
        row.perCost,
        row.perCostInterval?.low,
        row.perCostInterval?.high,
      ]),
    ),
    'agreement.csv': csvText(
      ['suite', 'category', 'score', 'judge', 'r', 'low', 'high', 'prompts', 'images'],
      summary.agreement.map((row) => [
        ...placed(row),
        row.score,
        row.judge,
        row.r,
        row.interval?.low,
        row.interval?.high,
        row.prompts,
        row.images,
      ]),
    ),
    'diversity.csv': csvText(
      ['suite', 'category', 'method', 'network', 'distance', 'low', 'high', 'prompts'],
      summary.diversity.map((row) => [
        ...placed(row),
        row.method,
        row.network,
        row.distance,
        row.interval?.low,
        row.interval?.high,
        row.prompts,
      ]),
    ),
    'noise.csv': csvText(
      ['method', 'norm', 'patches', 'beyond', 'images'],
      summary.noiseTests.map(({ method, norm, patches, beyond, images }) => [
        method,
        norm,
        patches,
        beyond,
        images,
      ]),
    ),
    'curves.csv': csvText(
      ['suite', 'method', 'of', 'iteration', 'judge', 'mean', 'low', 'high', 'followed', 'followed_mean'],
      summary.curves.flatMap(({ suite, method, of, judge, followed, points }) =>
        points.map((point) => [
          suite,
          method,
          of,
          point.iteration,
          judge,
          point.judge,
          point.interval?.low,
          point.interval?.high,
          followed,
          point.followed,
        ]),
      ),
    ),
    'failures.csv': csvText(
      ['suite', 'prompt', 'text', 'seed', 'method', 'error', 'attempts'],
      summary.failures.map(({ suite, prompt, text, seed, method, error, attempts }) => [
        suite,
        prompt,
        text,
        seed,
        method,
        error,
        attempts,
      ]),
    ),
  };
}
