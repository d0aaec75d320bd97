/** @file The losses of a fine-tuning as a table and as curves. */
import { shortNumber, tightAxis } from '../../evaluate/charts/axis.ts';
import { lineChart } from '../../evaluate/charts/line-chart.ts';
import type { FineTuneStep } from '../../finetune/separate-enhance.ts';

/** The figures of each step; `norm` is NaN where there is no regulariser. */
export const LOSS_COLUMNS = ['total', 'separate', 'enhance', 'norm', 'gradientNorm'] as const;

/** The figures of a step, in the order of the columns. */
export const lossRow = ({ losses, gradientNorm }: FineTuneStep): number[] => {
  const { total, separate, enhance, norm = Number.NaN } = losses;
  return [total, separate, enhance, norm, gradientNorm];
};

const columnOf = (rows: readonly (readonly number[])[], column: number) => rows.map((row) => row[column]);

/** One line for each step. */
export function lossesCsv(rows: readonly (readonly number[])[]): string {
  const lines = rows.map((row, i) =>
    [i + 1, ...row.map((value) => (Number.isNaN(value) ? '' : value))].join(','),
  );
  return `${['step', ...LOSS_COLUMNS].join(',')}\n${lines.join('\n')}\n`;
}

/** Steps that a point of the smooth line is the mean of: a fiftieth of all. */
const smoothing = (steps: number) => Math.max(1, Math.round(steps / 50));

/** A panel for each figure over steps: each step light, the running mean dark. */
export function lossesSvg(title: string, rows: readonly (readonly number[])[]): string {
  const panels = LOSS_COLUMNS.flatMap((name, column) => {
    const values = columnOf(rows, column).filter((value) => Number.isFinite(value));
    if (values.length === 0) return [];
    const points = values.map((value, i) => [i + 1, value] as const);
    const window = smoothing(values.length);
    const means = values.map((_, i) => {
      const some = values.slice(Math.max(0, i - window + 1), i + 1);
      return [i + 1, some.reduce((sum, value) => sum + value, 0) / some.length] as const;
    });
    const y = tightAxis(values);
    return [
      {
        title: `${name}: ${shortNumber(means[means.length - 1][1])}${y.logarithmic ? ', log scale' : ''}`,
        x: { low: 0, high: values.length, ticks: [{ at: values.length, text: `step ${values.length}` }] },
        y,
        lines: [
          { points, colour: '#c3c9d4', width: 1 },
          { points: means, colour: '#1f4e8c' },
        ],
      },
    ];
  });
  return lineChart({ title, panels, columns: 3, panelSize: { width: 300, height: 170 } });
}
