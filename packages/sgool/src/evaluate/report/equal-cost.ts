/**
 * @file Best-of at the cost of each other method. Its candidates do not depend on each other, so one long run says what every
 * shorter one selects: the one that scores highest among the first n.
 */
import { METHODS } from '../../methods/index.ts';
import { type Cell, cellId } from '../cells/cell.ts';
import type { DoneCell } from '../cells/cell-record.ts';
import type { EvaluatedMethod, Manifest } from '../cells/manifest.ts';
import type { EvaluatedCell, Evaluation } from '../cells/run-folder.ts';
import { costRows, EQUAL_COST, workOf } from './cost-rows.ts';
import { scoreOf } from './results.ts';
import type { CostRow, EqualCostRow } from './summary.ts';

/** Whether it only selects among candidates that do not depend on each other. */
export function isSearch({ method }: Pick<EvaluatedMethod, 'method'>): boolean {
  return METHODS.find(({ name }) => name === method)?.independentCandidates === true;
}

/** Whether a method is compared with a search at equal cost: one that is guided or selects, and is no search itself. */
export function needsSearch(method: EvaluatedMethod, reference: string): boolean {
  const { label, guides, selects } = method;
  return label !== reference && guides.length + selects.length > 0 && !isSearch(method);
}

/** The label of the column that is the first `count` candidates of a search. */
export const firstLabel = (label: string, count: number) => `${label} (first ${count})`;

/** A column that was not run: what a search selects among its first candidates. */
export interface FirstCandidates extends EvaluatedMethod {
  readonly firstOf: { readonly label: string; readonly count: number };
}

/** An evaluation with columns that stand for fewer candidates of its searches. */
export interface WholeEvaluation extends Evaluation {
  readonly firsts: readonly FirstCandidates[];
}

/**
 * Adds, for each method that is no search, the column of the search that costs as much, taken from the first candidates of the
 * longest one. Such a column has the scores that were computed of each candidate, and none of the others.
 */
export function withFirstCandidates(evaluation: Evaluation): WholeEvaluation {
  const { manifest, cells } = evaluation;
  const columns = firstsNeeded(manifest, cells)
    .map((first) => ({
      first,
      own: cells
        .filter(({ label }) => label === first.firstOf.label)
        .flatMap((planned) => firstCell(planned, first) ?? []),
    }))
    // Candidates of which no score is known say nothing.
    .filter(({ own }) => own.length > 0);
  return {
    ...evaluation,
    manifest: { ...manifest, methods: [...manifest.methods, ...columns.map(({ first }) => first)] },
    cells: [...cells, ...columns.flatMap(({ own }) => own)],
    firsts: columns.map(({ first }) => first),
  };
}

function firstsNeeded(manifest: Manifest, cells: readonly EvaluatedCell[]): FirstCandidates[] {
  const { methods, reference } = manifest;
  const work = new Map(costRows(manifest, cells).map((row) => [row.method, workOf(row)]));
  const [longest] = methods
    .filter((method) => isSearch(method) && work.has(method.label))
    .map((method) => ({ method, count: candidatesOf(method.label, cells) }))
    .toSorted((a, b) => b.count - a.count);
  if (longest === undefined) return [];
  const { method: search, count } = longest;
  const each = (work.get(search.label) ?? Number.NaN) / count;
  const counts = methods
    .filter((method) => needsSearch(method, reference))
    .map(({ label }) => nearestCount((work.get(label) ?? Number.NaN) / each));
  return [...new Set(counts)]
    .filter((n) => n < count)
    .sort((a, b) => a - b)
    .map((n) => ({
      ...search,
      label: firstLabel(search.label, n),
      settings: { ...search.settings, iterations: n - 1 },
      firstOf: { label: search.label, count: n },
    }));
}

/** Candidates of a search's image: those of the one that has most, as a run may stop early. */
const candidatesOf = (label: string, cells: readonly EvaluatedCell[]) =>
  Math.max(
    0,
    ...cells.flatMap(({ label: one, record }) =>
      one === label && record?.status === 'done' ? [record.iterations + 1] : [],
    ),
  );

/** The whole number from 1 whose ratio to a cost is nearest to 1. */
export function nearestCount(cost: number): number {
  const below = Math.max(1, Math.floor(cost));
  return cost / below > (below + 1) / cost ? below + 1 : below;
}

/** The cell that a run of fewer candidates would have made; undefined where candidates have no score to select by. */
function firstCell(
  planned: EvaluatedCell,
  { label, selects, firstOf }: FirstCandidates,
): EvaluatedCell | undefined {
  const { record } = planned;
  if (record?.status !== 'done') return undefined;
  const cell: Cell = {
    ...planned.cell,
    settings: { ...planned.cell.settings, iterations: firstOf.count - 1 },
  };
  const id = cellId(cell);
  const first = firstRecord(record, selects, firstOf.count);
  return first && { ...planned, id, cell, label, record: { ...first, id, cell } };
}

function firstRecord(record: DoneCell, selects: readonly string[], count: number): DoneCell | undefined {
  const { curve = [], cost, iterations } = record;
  const points = curve.slice(0, count);
  const [score, ...more] = selects;
  if (points.length === 0 || score === undefined || more.length > 0) return undefined;
  let best = points[0];
  for (const point of points) {
    const value = scoreOf(point, score);
    if (value === undefined) return undefined;
    // The first of equal ones, as in a run.
    if (value > (scoreOf(best, score) ?? Number.NEGATIVE_INFINITY)) best = point;
  }
  const share = points.length / (iterations + 1);
  const { features: _, regions: __, ...kept } = record;
  return {
    ...kept,
    iteration: best.iteration,
    iterations: points.length - 1,
    cost: {
      forward: share * cost.forward,
      pullback: share * cost.pullback,
      flops: share * cost.flops,
      seconds: share * cost.seconds,
    },
    scores: best.scores,
    curve: points,
  };
}

/** The search of the nearest cost beside each method that is no search itself. */
export function equalCostRows(
  { methods, reference }: Pick<Manifest, 'methods' | 'reference'>,
  cost: readonly CostRow[],
): EqualCostRow[] {
  const workBy = new Map(cost.map((row) => [row.method, workOf(row)]));
  const searches = methods.filter((method) => isSearch(method) && workBy.has(method.label));
  return methods
    .filter((method) => needsSearch(method, reference))
    .map(({ label }) => {
      const work = workBy.get(label);
      if (work === undefined || searches.length === 0) return { method: label, isEqual: false };
      const [nearest] = searches
        .map((search) => ({ search: search.label, ratio: (workBy.get(search.label) ?? Number.NaN) / work }))
        .sort((a, b) => Math.abs(Math.log(a.ratio)) - Math.abs(Math.log(b.ratio)));
      if (!Number.isFinite(nearest.ratio) || nearest.ratio <= 0) return { method: label, isEqual: false };
      return {
        method: label,
        ...nearest,
        isEqual: nearest.ratio <= EQUAL_COST && nearest.ratio >= 1 / EQUAL_COST,
      };
    });
}
