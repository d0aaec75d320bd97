/** @file Alignment against UNet evaluations as an SVG image: a panel for each measure, a line for each variant. */

import { type Axis, panelSvg, svgDocument } from '../chart.ts';
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
const PANEL = { width: 390, height: 330 };
const TOP = 48;
const SUBTITLE = `Of the best image by CLIP A so far, over UNet evaluations: forward, and ${PULLBACK_COST} for each one back`;
const LEGEND_ROW = 17;
const LEGEND_COLUMNS = 3;

const MEASURES: readonly { readonly name: ValueName; readonly title: string; readonly step: number }[] = [
  { name: 'clipA', title: 'CLIP A, which guides', step: 2 },
  { name: 'clipB', title: 'CLIP B, which only reports', step: 2 },
  { name: 'judge', title: "the judge's score", step: 0.05 },
];

/**
 * The chart. The first line is the reference: one rule stands at the height where it ends, another at the budget.
 *
 * @param title of the whole
 */
export function costChart(title: string, lines: readonly CostLine[], budget: number): string {
  const end = lines[0].curve.at(-1)!;
  const width = MEASURES.length * PANEL.width;
  const legendTop = TOP + PANEL.height + 12;
  const rows = Math.ceil(lines.length / LEGEND_COLUMNS);
  const x = costAxis([...lines.flatMap(({ curve }) => curve.map(({ cost }) => cost)), budget]);
  const panels = MEASURES.map(({ name, title, step }, i) => {
    const values = lines.flatMap(({ curve }) => curve.map((point) => point[name]));
    const y = valueAxis(values, step);
    const rules = [
      { points: [[x.low, end[name]] as const, [x.high, end[name]] as const] },
      { points: [[budget, y.low] as const, [budget, y.high] as const] },
    ].map((rule) => ({ ...rule, colour: '#999', width: 1, dash: '3 3' }));
    const drawn = lines.map(({ curve }, k) => ({
      points: curve.map((point) => [point.cost, point[name]] as const),
      colour: colourOf(k),
      width: k === 0 ? 2.4 : 1.6,
    }));
    return panelSvg(
      { title, x, y, lines: [...rules, ...drawn] },
      { left: i * PANEL.width, top: TOP, ...PANEL },
    );
  });
  const legend = lines.map(({ name }, k) => {
    const left = 52 + (k % LEGEND_COLUMNS) * (width / LEGEND_COLUMNS - 10);
    const top = legendTop + Math.floor(k / LEGEND_COLUMNS) * LEGEND_ROW;
    return [
      `<line x1="${left}" y1="${top}" x2="${left + 22}" y2="${top}" stroke="${colourOf(k)}" stroke-width="${k === 0 ? 2.4 : 1.6}"/>`,
      `<text x="${left + 28}" y="${top + 4}" font-size="11" fill="#333">${name}</text>`,
    ].join('');
  });
  return svgDocument(title, width, legendTop + rows * LEGEND_ROW + 8, [
    `<text x="14" y="22" font-size="15" font-weight="bold" fill="#222">${title}</text>`,
    `<text x="14" y="40" font-size="11" fill="#555">${SUBTITLE}</text>`,
    ...panels,
    ...legend,
  ]);
}

function colourOf(index: number): string {
  return COLOURS[index % COLOURS.length];
}

function costAxis(costs: readonly number[]): Axis {
  const [low, high] = [Math.min(...costs), Math.max(...costs)];
  const decades = [10, 100, 1000, 10_000, 100_000].filter((at) => at >= low && at <= high);
  return {
    low,
    high,
    logarithmic: true,
    ticks: decades.map((at) => ({ at, text: at.toLocaleString('en') })),
  };
}

/** Ends at whole steps around the values. */
function valueAxis(values: readonly number[], step: number): Axis {
  const [from, to] = [Math.floor(Math.min(...values) / step), Math.ceil(Math.max(...values) / step)];
  const ticks = Array.from({ length: to - from + 1 }, (_, k) => {
    const at = (from + k) * step;
    return { at, text: String(Number(at.toFixed(2))) };
  });
  return { low: from * step, high: to * step, ticks };
}
