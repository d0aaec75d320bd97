/** @file Alignment against UNet evaluations as an SVG image: a panel for each measure, a line for each variant. */

import { decadeAxis, lineChart, steppedAxis } from 'sgool/evaluate';
import { type CurvePoint, PULLBACK_COST, type ValueName } from './cost-curves.ts';

export interface CostLine {
  readonly name: string;
  readonly curve: readonly CurvePoint[];
}

const COLOURS = [
  '#222222',
  '#d1495b',
  '#1f6fb4',
  '#e09f3e',
  '#3a8f5c',
  '#8e5aa8',
  '#4db6c6',
  '#8a6d3b',
  '#e377c2',
  '#7f8c2a',
  '#6b7a99',
  '#b0413e',
];

const MEASURES: readonly { readonly name: ValueName; readonly title: string; readonly step: number }[] = [
  { name: 'clipA', title: 'CLIP A, which guides', step: 2 },
  { name: 'clipB', title: 'CLIP B, which only reports', step: 2 },
  { name: 'judge', title: "the judge's score", step: 0.05 },
];

/**
 * The chart. The first line is the reference. One dashed rule is its final value, another the budget.
 *
 * @param budget in forward evaluations
 */
export function costChart(title: string, lines: readonly CostLine[], budget: number): string {
  const [{ curve: reference }] = lines;
  const end = reference[reference.length - 1];
  const x = decadeAxis([...lines.flatMap(({ curve }) => curve.map(({ cost }) => cost)), budget]);
  const style = (i: number) => ({ colour: COLOURS[i % COLOURS.length], width: i === 0 ? 2.4 : 1.6 });
  const points = (curve: readonly CurvePoint[], name: ValueName) =>
    curve.map((point) => [point.cost, point[name]] as const);
  const panels = MEASURES.map(({ name, title: measure, step }) => {
    const y = steppedAxis(
      lines.flatMap(({ curve }) => curve.map((point) => point[name])),
      step,
    );
    const rules = [
      { points: [[x.low, end[name]] as const, [x.high, end[name]] as const] },
      { points: [[budget, y.low] as const, [budget, y.high] as const] },
    ].map((rule) => ({ ...rule, colour: '#999', width: 1, dash: '3 3' }));
    const drawn = lines.map(({ curve }, i) => ({ points: points(curve, name), ...style(i) }));
    return { title: measure, x, y, lines: [...rules, ...drawn] };
  });
  return lineChart({
    title,
    subtitle: `The best image by CLIP A so far, over the cost of the run: 1 for each UNet evaluation, ${PULLBACK_COST} for each pullback`,
    panels,
    columns: MEASURES.length,
    panelSize: { width: 390, height: 330 },
    legend: lines.map(({ name, curve }, i) => ({ name, points: points(curve, 'clipA'), ...style(i) })),
  });
}
