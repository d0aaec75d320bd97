/** @file The curves of a training as an SVG image: one small panel for each figure. */

import { lineChart, shortNumber, tightAxis } from 'sgool/evaluate';
import type { HistoryEntry } from './checkpoint.ts';

const STYLES = {
  held: { colour: '#1f4e8c', label: 'held out' },
  train: { colour: '#8a8f98', label: 'training' },
} as const;

/**
 * A panel for every logged figure over steps, with its last value. Held-out figures are dark, training figures light; figures
 * that span more than a factor of 20 have a logarithmic axis.
 */
export function curveSvg(stage: string, history: readonly HistoryEntry[]): string {
  const panels = (['held', 'train'] as const).flatMap((part) => {
    const { colour, label } = STYLES[part];
    return seriesOf(history, part).map(({ name, points }) => {
      const last = Math.max(1, ...points.map(([step]) => step));
      const values = points.map(([, value]) => value);
      const y = tightAxis(values);
      const scale = y.logarithmic ? ', log scale' : '';
      return {
        title: `${name} (${label}): ${shortNumber(values[values.length - 1])}${scale}`,
        x: { low: 0, high: last, ticks: [{ at: last, text: `step ${last}` }] },
        y,
        lines: [{ points, colour }],
      };
    });
  });
  return lineChart({ title: stage, panels, columns: 3, panelSize: { width: 300, height: 170 } });
}

type Point = readonly [step: number, value: number];

/** The finite values of each figure, in the order of the steps; a figure without any is left out. */
function seriesOf(history: readonly HistoryEntry[], part: keyof typeof STYLES) {
  const names = [...new Set(history.flatMap((entry) => Object.keys(entry[part])))];
  return names
    .map((name) => ({
      name,
      points: history.flatMap((entry): Point[] => {
        const value = entry[part][name];
        return value === undefined || !Number.isFinite(value) ? [] : [[entry.step, value]];
      }),
    }))
    .filter(({ points }) => points.length > 0);
}
