/** @file The over-optimisation curve: what the judge says of each iterate, and the score that is followed beside it. */
import { mean } from '../../numbers.ts';
import type { DoneCell } from '../cells/cell-record.ts';
import type { EvaluatedMethod } from '../cells/manifest.ts';
import { groupedInterval, type Interval } from '../statistics/bootstrap.ts';
import type { Scope } from './results.ts';

/** Means over all cells at one iteration. */
export interface CurvePoint {
  readonly iteration: number;
  readonly judge: number;
  /** 95%, prompts and seeds resampled; null for fewer than two prompts. */
  readonly interval: Interval | null;
  /** Of the score that guides or selects; absent where iterates have no such score. */
  readonly followed?: number;
}

export interface Curve {
  readonly suite?: string;
  readonly method: string;
  readonly judge: string;
  readonly followed?: string;
  /**
   * Whether a point is the iterate itself, or, for a method that only selects, the candidate that it would have selected by then.
   */
  readonly of: 'iterates' | 'selected so far';
  readonly cells: number;
  readonly points: readonly CurvePoint[];
}

/** Iterations whose interval is computed at most: more could not be told apart in a chart. */
const MOST_POINTS = 40;

/**
 * The curve of a method, over the cells that have one. A cell that stopped early keeps its last value, so that every point is a
 * mean over the same cells. Undefined where no cell has a curve with this score.
 */
export function curveOf(
  scope: Scope,
  { label, guides, selects }: EvaluatedMethod,
  judge: string,
): Curve | undefined {
  const followed = guides[0] ?? selects[0];
  const isSearch = guides.length === 0 && selects.length > 0;
  const lines = scope.prompts
    .map(({ byMethod }) =>
      (byMethod.get(label) ?? []).flatMap(({ cell }) => {
        const line = lineOf(cell, judge, followed, isSearch);
        return line.length > 1 ? [line] : [];
      }),
    )
    .filter((group) => group.length > 0);
  if (lines.length === 0) return undefined;
  const last = Math.max(...lines.flat().map((line) => line[line.length - 1].iteration));
  const stride = Math.max(1, Math.ceil((last + 1) / MOST_POINTS));
  const iterations = Array.from({ length: Math.ceil((last + 1) / stride) }, (_, i) => i * stride);
  if (iterations.at(-1) !== last) iterations.push(last);
  const points = iterations.map((iteration): CurvePoint => {
    const at = lines.map((group) => group.map((line) => valueAt(line, iteration)));
    const judged = at.map((group) => group.map((value) => value.judge));
    const follows = at.flat().flatMap((value) => value.followed ?? []);
    return {
      iteration,
      judge: mean(judged.map(mean)),
      interval: judged.length < 2 ? null : groupedInterval(judged),
      ...(follows.length === at.flat().length ? { followed: mean(follows) } : {}),
    };
  });
  return {
    ...(scope.suite === undefined ? {} : { suite: scope.suite }),
    method: label,
    judge,
    ...(followed === undefined ? {} : { followed }),
    of: isSearch ? 'selected so far' : 'iterates',
    cells: lines.flat().length,
    points,
  };
}

interface LinePoint {
  readonly iteration: number;
  readonly judge: number;
  readonly followed?: number;
}

/** The points of a cell that the judge has scored. */
function lineOf(
  { curve = [] }: DoneCell,
  judge: string,
  followed: string | undefined,
  isSearch: boolean,
): LinePoint[] {
  const points = curve.flatMap(({ iteration, scores }): LinePoint[] => {
    const value = scores[judge];
    const follows = followed === undefined ? undefined : (scores[followed] ?? undefined);
    if (value === undefined || value === null) return [];
    return [{ iteration, judge: value, ...(follows === undefined ? {} : { followed: follows }) }];
  });
  if (!isSearch) return points;
  let best: LinePoint | undefined;
  return points.flatMap((point) => {
    if (point.followed === undefined) return [];
    if (best?.followed === undefined || point.followed > best.followed) best = point;
    return [{ ...best, iteration: point.iteration }];
  });
}

/** The last point up to an iteration. */
function valueAt(line: readonly LinePoint[], iteration: number): LinePoint {
  return line.findLast((point) => point.iteration <= iteration) ?? line[0];
}
