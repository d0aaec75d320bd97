/** @file Bars with intervals: means, or differences from the reference, by method and by category. */
import * as Plot from '@observablehq/plot';
import type { Interval } from '../../statistics/bootstrap.ts';
import { intervalText, quantity } from '../format.ts';
import {
  compose,
  type Figure,
  FONT,
  GRID,
  type PlotElement,
  plot,
  shortened,
  WIDTH,
  widthOf,
} from './compose.ts';
import { seriesOf } from './series.ts';
import { ticksOf } from './ticks.ts';

/** One bar; `index` is the place of its method among all methods. */
export interface BarRow {
  readonly label: string;
  readonly index: number;
  readonly value: number;
  readonly interval: Interval | null;
}

/** Room for half of the first and the last label of the axis. */
const SIDE = 28;
/** Distance of texts from the edge. */
const EDGE = 4;
/** The widest label beside a bar; a longer one is cut. */
const MOST_LABEL = 132;

/** One bar per method from zero, its label and figures above it. */
export function bars(
  name: string,
  title: string,
  caption: string,
  rows: readonly BarRow[],
  digits: number,
): Figure {
  return compose({ name, title, caption: `${caption} Lines: 95% intervals.` }, [
    barPanel(rows, digits, rangeOf(rows)),
  ]);
}

/** A block of bars for each category, all on the same axis. */
export function categoryBars(
  name: string,
  title: string,
  caption: string,
  categories: readonly { readonly category: string; readonly rows: readonly BarRow[] }[],
  digits: number,
): Figure {
  const all = categories.flatMap(({ rows }) => rows);
  const range = rangeOf(all);
  const left = Math.min(MOST_LABEL, Math.max(...all.map(({ label }) => widthOf(label, FONT.small)))) + 10;
  return compose(
    { name, title, caption: `${caption} Lines: 95% intervals.` },
    categories.map(({ category, rows }) => ({
      ...slimPanel(rows, digits, range, left),
      heading: category,
    })),
  );
}

type Range = readonly [number, number];

/** From zero, or from the lowest end of an interval below it, to the highest end. */
function rangeOf(rows: readonly BarRow[]): Range {
  const ends = rows.flatMap(({ value, interval }) =>
    interval === null ? [value] : [value, interval.low, interval.high],
  );
  const [low, high] = [Math.min(0, ...ends), Math.max(0, ...ends)];
  // A little room, so that no end of an interval lies on the edge.
  const room = 0.03 * (high - low);
  return low === high ? [0, 1] : [low < 0 ? low - room : 0, high > 0 ? high + room : 0];
}

/** By how much the ends of an interval are lower than its bar, and the line at zero higher. */
const END = 3;

function marks(
  rows: readonly BarRow[],
  ticks: readonly number[],
  inset: { readonly insetTop: number; readonly insetBottom: number },
) {
  return [
    Plot.gridX([...ticks], { strokeOpacity: GRID }),
    ...rows.map(({ label, index, value }) =>
      Plot.barX([{ row: label, value }], {
        x: 'value',
        y: 'row',
        ...inset,
        fill: seriesOf(index).colour,
        fillOpacity: 0.6,
        stroke: seriesOf(index).colour,
      }),
    ),
    ...rows.flatMap(({ label, interval }) => {
      if (interval === null) return [];
      const ends = [interval.low, interval.high].map((at) => ({ row: label, at }));
      return [
        Plot.ruleY([label], {
          x1: interval.low,
          x2: interval.high,
          y: (row: string) => row,
          strokeWidth: 1.5,
        }),
        Plot.tickX(ends, {
          x: 'at',
          y: 'row',
          strokeWidth: 1.5,
          insetTop: inset.insetTop + END,
          insetBottom: inset.insetBottom + END,
        }),
      ];
    }),
    // Not one line through the labels.
    Plot.tickX(rows, {
      x: () => 0,
      y: 'label',
      strokeWidth: 1.5,
      insetTop: inset.insetTop - END,
      insetBottom: inset.insetBottom - END,
    }),
  ];
}

function barPanel(rows: readonly BarRow[], digits: number, domain: Range): PlotElement {
  const ticks = ticksOf(domain, WIDTH - 2 * SIDE);
  return plot({
    height: 46 * rows.length + 34,
    marginLeft: SIDE,
    marginRight: SIDE,
    marginTop: 6,
    marginBottom: 28,
    x: { label: null, domain, ticks: [...ticks.values], tickFormat: ticks.text },
    y: { axis: null, domain: rows.map(({ label }) => label), padding: 0 },
    marks: [
      ...marks(rows, ticks.values, { insetTop: 16, insetBottom: 16 }),
      ...rows.flatMap(({ label, value, interval }) => {
        const figures =
          interval === null
            ? quantity(value, digits)
            : `${quantity(value, digits)} (${intervalText(interval, digits)})`;
        const at = { y: 'row', dy: -16, fontSize: FONT.text } as const;
        return [
          Plot.text([{ row: label }], {
            ...at,
            frameAnchor: 'left',
            dx: EDGE - SIDE,
            text: () => shortened(label, WIDTH - 2 * EDGE - widthOf(figures) - 8),
            fontWeight: 600,
          }),
          Plot.text([{ row: label }], { ...at, frameAnchor: 'right', dx: SIDE - EDGE, text: () => figures }),
        ];
      }),
    ],
  });
}

/** Low bars with the label to the left, in a margin of this width, and the value to the right. */
function slimPanel(rows: readonly BarRow[], digits: number, domain: Range, left: number): PlotElement {
  const figures = rows.map(({ value }) => quantity(value, digits));
  const right = Math.max(...figures.map((figure) => widthOf(figure, FONT.small))) + 10;
  const ticks = ticksOf(domain, WIDTH - left - right);
  return plot({
    height: 19 * rows.length + 26,
    marginLeft: left,
    marginRight: right,
    marginTop: 2,
    marginBottom: 24,
    x: { label: null, domain, ticks: [...ticks.values], tickFormat: ticks.text },
    y: { axis: null, domain: rows.map(({ label }) => label), padding: 0 },
    marks: [
      ...marks(rows, ticks.values, { insetTop: 4, insetBottom: 4 }),
      Plot.text(rows, {
        y: 'label',
        frameAnchor: 'left',
        textAnchor: 'end',
        dx: -6,
        fontSize: FONT.small,
        text: (row: BarRow) => shortened(row.label, left - 10, FONT.small),
      }),
      Plot.text(rows, {
        y: 'label',
        frameAnchor: 'right',
        textAnchor: 'start',
        dx: 6,
        fontSize: FONT.small,
        text: (row: BarRow) => quantity(row.value, digits),
      }),
    ],
  });
}
