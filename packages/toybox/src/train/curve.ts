/** @file The curves of a training as an SVG image: one small panel for each figure. */

import { panelSvg, svgDocument } from '../chart.ts';
import type { HistoryEntry } from './checkpoint.ts';

const WIDTH = 300;
const HEIGHT = 170;

/** Panels of every logged figure over steps; held-out figures are dark, training ones light. */
export function curveSvg(stage: string, history: readonly HistoryEntry[]): string {
  const series = [
    ...seriesOf(history, 'held').map((s) => ({ ...s, colour: '#1f4e8c', label: `${s.name} (held out)` })),
    ...seriesOf(history, 'train').map((s) => ({ ...s, colour: '#8a8f98', label: `${s.name} (training)` })),
  ];
  const columns = 3;
  const rows = Math.max(1, Math.ceil(series.length / columns));
  const panels = series.map((s, i) =>
    panel(s.label, s.colour, s.points, (i % columns) * WIDTH, 30 + Math.floor(i / columns) * HEIGHT),
  );
  return svgDocument(stage, columns * WIDTH, 30 + rows * HEIGHT, [
    `<text x="14" y="22" font-size="15" font-weight="bold" fill="#222">${stage}</text>`,
    ...panels,
  ]);
}

type Point = readonly [step: number, value: number];

function seriesOf(
  history: readonly HistoryEntry[],
  part: 'train' | 'held',
): { name: string; points: Point[] }[] {
  const names = [...new Set(history.flatMap((entry) => Object.keys(entry[part])))];
  return names.map((name) => ({
    name,
    points: history.flatMap((entry) => {
      const value = entry[part][name];
      return value === undefined || !Number.isFinite(value) ? [] : [[entry.step, value] as const];
    }),
  }));
}

function panel(label: string, colour: string, points: readonly Point[], left: number, top: number): string {
  const values = points.map(([, value]) => value);
  const last = Math.max(...points.map(([step]) => step), 1);
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const tick = (value: number) => ({ at: value, text: String(Number(value.toPrecision(3))) });
  return panelSvg(
    {
      title: `${label}: ${tick(values[values.length - 1] ?? 0).text}`,
      x: { low: 0, high: last, ticks: [{ at: last, text: `step ${last}` }] },
      y: { low, high, ticks: [tick(high), tick(low)] },
      lines: [{ points, colour }],
    },
    { left, top, width: WIDTH, height: HEIGHT },
  );
}
