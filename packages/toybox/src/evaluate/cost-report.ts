/** @file Summarises the traces of all variants: the figures, the curves and the table. */

import { type Comparison, comparePairs, markdownTable, mean, percent } from 'sgool/evaluate';
import {
  type CurvePoint,
  costOf,
  curveOf,
  meansWithin,
  PULLBACK_COST,
  spentWithin,
  type ValueName,
  valuesWithin,
} from './cost-curves.ts';
import type { Trace } from './history.ts';
import { difference, TIE_MARGIN } from './report.ts';

export interface VariantReport {
  /** Mean evaluations until the budget was used up, or the run was at its end. */
  readonly forward: number;
  readonly pullback: number;
  /** Means of the best images within the budget. */
  readonly means: Readonly<Record<ValueName, number>>;
  /** Prompt by prompt against the reference at its end; the reference itself has none. */
  readonly against?: { readonly clipB: Comparison; readonly judge: Comparison; readonly correct: Comparison };
  readonly curve: readonly CurvePoint[];
}

export interface CostReport {
  readonly reference: string;
  /** The cost of the whole reference run, and the cost that the others may take, in forward evaluations. */
  readonly referenceCost: number;
  readonly budget: number;
  readonly variants: Readonly<Record<string, VariantReport>>;
}

/** Share of the reference's cost that the others may take. */
const SHARE = 0.1;

/**
 * @param traces by variant, all of the same prompts in the same order; the first variant is the reference
 * @param budget default: a tenth of the reference's cost
 */
export function costReport(traces: ReadonlyMap<string, readonly Trace[]>, budget?: number): CostReport {
  const [reference, first] = [...traces][0];
  const referenceCost = mean(first.map(({ points }) => costOf(points[points.length - 1])));
  const most = budget ?? SHARE * referenceCost;
  const report = (name: string, own: readonly Trace[]): VariantReport => {
    const isReference = name === reference;
    const within = isReference ? Number.POSITIVE_INFINITY : most;
    const against = (which: ValueName, margin: number) =>
      comparePairs(
        valuesWithin(first, Number.POSITIVE_INFINITY, which),
        valuesWithin(own, within, which),
        margin,
      );
    const spent = own.map((trace) => spentWithin(trace, within));
    return {
      forward: mean(spent.map(({ forward }) => forward)),
      pullback: mean(spent.map(({ pullback }) => pullback)),
      means: meansWithin(own, within),
      ...(isReference
        ? {}
        : {
            against: {
              clipB: against('clipB', TIE_MARGIN.clip),
              judge: against('judge', TIE_MARGIN.judge),
              correct: against('correct', 0),
            },
          }),
      curve: curveOf(own),
    };
  };
  const variants = Object.fromEntries([...traces].map(([name, own]) => [name, report(name, own)]));
  return { reference, referenceCost, budget: most, variants };
}

/** The table of a report. */
export function costTable({ reference, budget, variants }: CostReport): string {
  const table = markdownTable(
    [
      'variant',
      'forward',
      'back',
      'CLIP A',
      'CLIP B',
      'judge',
      'correct',
      'CLIP B, difference',
      'judge, difference',
    ],
    Object.entries(variants).map(([name, { forward, pullback, means, against }]) => [
      name,
      forward.toFixed(0),
      pullback.toFixed(0),
      means.clipA.toFixed(2),
      means.clipB.toFixed(2),
      means.judge.toFixed(3),
      percent(means.correct),
      difference(against?.clipB, 2),
      difference(against?.judge, 3),
    ]),
  );
  return [
    table,
    '',
    `${reference} to its end, all others within ${Math.round(budget)} evaluations, a pullback counting as ${PULLBACK_COST}.`,
    `Differences from ${reference}, prompt by prompt, with the 95% bootstrap interval of their mean.`,
  ].join('\n');
}
