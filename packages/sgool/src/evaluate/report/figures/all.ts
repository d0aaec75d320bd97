/** @file All figures of a report. */
import type { Evaluation } from '../../cells/run-folder.ts';
import type { Interval } from '../../statistics/bootstrap.ts';
import {
  categoryScopes,
  differencesOf,
  promptResults,
  type Scope,
  suiteScopes,
  valuesOf,
} from '../results.ts';
import type { Summary } from '../summary.ts';
import { type BarRow, bars, categoryBars } from './bars.ts';
import { type BoxGroup, boxPlot } from './box-plot.ts';
import type { Figure } from './compose.ts';
import { costChart } from './cost-chart.ts';
import { curveChart } from './curve-chart.ts';

/** Figures by the section of the report that they stand in. */
export interface Figures {
  readonly boxes: readonly Figure[];
  readonly means: readonly Figure[];
  readonly categories: readonly Figure[];
  readonly cost: readonly Figure[];
  readonly curves: readonly Figure[];
}

type Score = Summary['scores'][number];

/** Draws every figure that there are values for. */
export function drawFigures(evaluation: Evaluation, summary: Summary): Figures {
  const scopes = suiteScopes(promptResults(evaluation)).filter(({ suite }) => suite !== undefined);
  const headlines = summary.scores.filter(({ isHeadline }) => isHeadline);
  const each = (draw: (scope: Scope, score: Score, name: string, title: string) => Figure | undefined) =>
    scopes.flatMap((scope) =>
      headlines.flatMap((score) => {
        const place = scopes.length > 1 ? `, ${scope.suite}` : '';
        return draw(scope, score, fileName(scope.suite ?? '', score.name), `${score.title}${place}`) ?? [];
      }),
    );
  return {
    boxes: each((scope, score, name, title) => boxFigure(summary, scope, score, name, title)),
    means: each((scope, score, name, title) => meanFigure(summary, scope, score, name, title)),
    categories: each((scope, score, name, title) => categoryFigure(summary, scope, score, name, title)),
    cost: each((scope, score, name, title) => costFigure(summary, scope, score, name, title)),
    curves: summary.curves.map((curve) => curveFigure(summary, curve, scopes.length > 1)),
  };
}

/** A part of a file name: letters, digits, dots and `-`. */
const fileName = (...parts: readonly string[]) =>
  parts
    .map((part) => part.replace(/[^A-Za-z0-9.]+/g, '-').replace(/^-+|-+$/g, ''))
    .filter((part) => part !== '')
    .join('-');

const labelsOf = ({ methods }: Summary) => methods.map(({ label }) => label);

/** The role of a score that did not only judge, for titles. */
function roleNote({ methods }: Summary, { name }: Score): string {
  const taught = methods.filter(({ roles }) => roles[name] !== 'judges').map(({ label }) => label);
  return taught.length === 0 ? '' : ` It guided or selected ${taught.join(', ')}: no result for these.`;
}

/** What the values of a figure are: the score itself, or where that does not compare, its differences within prompts. */
function kindOf({ isAveraged, scale, higherIsBetter }: Score, reference: string): string {
  const direction = higherIsBetter ? 'higher is better' : 'lower is better';
  return isAveraged
    ? `${scale}; ${direction}`
    : `Differences from ${reference} within a prompt and seed; ${direction}`;
}

function boxFigure(
  summary: Summary,
  scope: Scope,
  score: Score,
  name: string,
  title: string,
): Figure | undefined {
  const { reference } = summary;
  const groups = labelsOf(summary).flatMap((label, index): BoxGroup[] => {
    if (!score.isAveraged && label === reference) return [];
    const values = score.isAveraged
      ? valuesOf(scope, label, score.name).flat()
      : differencesOf(scope, reference, label, score.name).flat();
    return values.length === 0 ? [] : [{ label, index, values }];
  });
  if (groups.length === 0) return undefined;
  const what = `${kindOf(score, reference)}.${roleNote(summary, score)}`;
  const shown = score.isAveraged ? title : `${title}: differences from ${reference}`;
  return boxPlot(`boxes-${name}`, shown, what, groups, score.digits, !score.isAveraged);
}

function rowsOf(summary: Summary, score: Score, suite: string | undefined, category?: string): BarRow[] {
  const indexOf = (label: string) => labelsOf(summary).indexOf(label);
  const isHere = (row: { suite?: string; category?: string; score: string }) =>
    row.suite === suite && row.category === category && row.score === score.name;
  const rows: { method: string; value: number; interval: Interval | null }[] = score.isAveraged
    ? summary.means.filter(isHere).map((row) => ({ ...row, value: row.mean }))
    : summary.comparisons.filter(isHere).map((row) => ({ ...row, value: row.difference }));
  return rows.map(({ method, value, interval }) => ({
    label: method,
    index: indexOf(method),
    value,
    interval,
  }));
}

function meanFigure(
  summary: Summary,
  { suite }: Scope,
  score: Score,
  name: string,
  title: string,
): Figure | undefined {
  const rows = rowsOf(summary, score, suite);
  if (rows.length === 0) return undefined;
  const what = `${kindOf(score, summary.reference)}.${roleNote(summary, score)}`;
  const kind = score.isAveraged ? 'means' : `mean differences from ${summary.reference}`;
  return bars(`means-${name}`, `${title}: ${kind}`, what, rows, score.digits);
}

function categoryFigure(
  summary: Summary,
  scope: Scope,
  score: Score,
  name: string,
  title: string,
): Figure | undefined {
  const categories = categoryScopes(scope).flatMap(({ category = '', prompts }) => {
    const rows = rowsOf(summary, score, scope.suite, category);
    return rows.length === 0
      ? []
      : [{ category: `${category} (${prompts.length} prompt${prompts.length === 1 ? '' : 's'})`, rows }];
  });
  if (categories.length === 0) return undefined;
  const what = `${kindOf(score, summary.reference)}.${roleNote(summary, score)}`;
  const kind = score.isAveraged ? 'by category' : `differences from ${summary.reference} by category`;
  return categoryBars(`categories-${name}`, `${title}: ${kind}`, what, categories, score.digits);
}

/** Only by scores that judge: a method that follows a score is no better for reaching more of it. */
function costFigure(
  summary: Summary,
  { suite }: Scope,
  score: Score,
  name: string,
  title: string,
): Figure | undefined {
  if (!score.judgesAll || !score.isAveraged) return undefined;
  const byFlops = summary.cost.every(({ flops }) => flops > 0);
  const points = rowsOf(summary, score, suite).flatMap(({ label, ...row }) => {
    const relative = summary.cost.find(({ method }) => method === label)?.relative;
    const cost = byFlops ? relative?.flops : relative?.calls;
    return cost === undefined || cost === null || cost <= 0 ? [] : [{ ...row, label, cost }];
  });
  if (points.length < 2) return undefined;
  const plain = summary.equivalent.find((row) => row.suite === suite && row.score === score.name)?.plain;
  const unit = `images of ${summary.reference}, by ${byFlops ? 'FLOPs' : 'network calls'}`;
  return costChart(
    `cost-${name}`,
    `${title}: quality against cost`,
    { scale: score.title, unit },
    points,
    plain,
  );
}

function curveFigure(summary: Summary, curve: Summary['curves'][number], isOneOfMany: boolean): Figure {
  const score = (name: string | undefined) => summary.scores.find((one) => one.name === name);
  const [judge, followed] = [score(curve.judge), score(curve.followed)];
  const figure = curveChart(
    `curve-${fileName(curve.suite ?? '', curve.method)}`,
    curve,
    labelsOf(summary).indexOf(curve.method),
    { judge: judge?.title ?? curve.judge, followed: followed?.title ?? curve.followed ?? '' },
    { judge: judge?.digits ?? 2, followed: followed?.digits ?? 2 },
  );
  return isOneOfMany ? { ...figure, title: `${figure.title}, ${curve.suite}` } : figure;
}
