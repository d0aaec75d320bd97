/** @file The curves of a training as an SVG picture: one small panel for each figure. */

import type { HistoryEntry } from './checkpoint.ts';

const WIDTH = 300;
const HEIGHT = 170;
const MARGIN = { left: 52, right: 12, top: 30, bottom: 28 };

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
  const [width, height] = [columns * WIDTH, 30 + rows * HEIGHT];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    `<text x="14" y="22" font-size="15" font-weight="bold" fill="#222">${stage}</text>`,
    ...panels,
    '</svg>',
    '',
  ].join('\n');
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

function panel(label: string, colour: string, points: readonly Point[], x: number, y: number): string {
  const steps = points.map(([step]) => step);
  const values = points.map(([, value]) => value);
  const last = Math.max(...steps, 1);
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const [w, h] = [WIDTH - MARGIN.left - MARGIN.right, HEIGHT - MARGIN.top - MARGIN.bottom];
  const px = (step: number) => MARGIN.left + (w * step) / last;
  const py = (value: number) => MARGIN.top + h * (1 - (value - low) / (high - low));
  const line = points.map(([step, value]) => `${px(step).toFixed(1)},${py(value).toFixed(1)}`).join(' ');
  const tick = (value: number) => Number(value.toPrecision(3));
  return [
    `<g transform="translate(${x} ${y})" font-size="10" fill="#555">`,
    `<text x="${MARGIN.left}" y="18" font-size="12" fill="#222">${label}: ${tick(values[values.length - 1] ?? 0)}</text>`,
    `<rect x="${MARGIN.left}" y="${MARGIN.top}" width="${w}" height="${h}" fill="none" stroke="#ddd"/>`,
    `<text x="${MARGIN.left - 5}" y="${MARGIN.top + 8}" text-anchor="end">${tick(high)}</text>`,
    `<text x="${MARGIN.left - 5}" y="${MARGIN.top + h}" text-anchor="end">${tick(low)}</text>`,
    `<text x="${MARGIN.left + w}" y="${MARGIN.top + h + 14}" text-anchor="end">step ${last}</text>`,
    `<polyline points="${line}" fill="none" stroke="${colour}" stroke-width="1.6"/>`,
    '</g>',
  ].join('\n');
}
