/** @file The tables of a report as CSV files in the long format: one value, or one comparison, in a row. */
import type { Evaluation } from '../cells/run-folder.ts';
import type { Place, Summary } from './summary.ts';

type Value = string | number | boolean | null | undefined;

/** RFC 4180: fields with commas, quotes or line ends are quoted, lines end with CR LF. */
export function csv(header: readonly string[], rows: readonly (readonly Value[])[]): string {
  const field = (value: Value) => {
    const text = value === null || value === undefined ? '' : String(value);
    return /[",\r\n]/.test(text) || text !== text.trim() ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [header, ...rows].map((row) => `${row.map(field).join(',')}\r\n`).join('');
}

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
    'scores.csv': csv(
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
    'means.csv': csv(
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
    'comparisons.csv': csv(
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
    'cost.csv': csv(
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
    'equivalent-n.csv': csv(
      ['suite', 'category', 'method', 'score', 'n', 'is_at_least', 'cost', 'n_per_cost'],
      summary.equivalent.map((row) => [
        ...placed(row),
        row.method,
        row.score,
        row.n,
        row.isAtLeast,
        row.cost,
        row.perCost,
      ]),
    ),
    'diversity.csv': csv(
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
    'noise.csv': csv(
      ['method', 'norm', 'patches', 'beyond', 'images'],
      summary.noiseTests.map(({ method, norm, patches, beyond, images }) => [
        method,
        norm,
        patches,
        beyond,
        images,
      ]),
    ),
    'curves.csv': csv(
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
    'failures.csv': csv(
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
