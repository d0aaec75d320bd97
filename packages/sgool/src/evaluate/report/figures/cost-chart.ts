/** @file Quality against cost: what each method reaches, and for how much. */
import * as Plot from '@observablehq/plot';
import type { Interval } from '../../statistics/bootstrap.ts';
import { expectedMaximum } from '../../statistics/equivalent-n.ts';
import { printable } from '../../text.ts';
import { shortRatio } from '../format.ts';
import { compose, type Figure, FONT, GRID, plot, shortened, WIDTH, widthOf } from './compose.ts';
import { type Label, placeLabels } from './labels.ts';
import { seriesOf } from './series.ts';

/** A method in the chart; `index` is its place among all methods. */
export interface CostPoint {
  readonly label: string;
  readonly index: number;
  /** In images of the reference. */
  readonly cost: number;
  readonly value: number;
  readonly interval: Interval | null;
}

const HEIGHT = 330;
const MARGIN = { left: 46, right: 14, top: 22, bottom: 42 } as const;
const MOST_LABEL = 130;
const LINE = 15;
const SEARCH = 'best of N by the judge';

/**
 * @param unit what the cost is counted in
 * @param plain mean and deviation within a prompt of the plain images; with them the best of N is drawn as a line
 */
export function costChart(
  name: string,
  title: string,
  { scale, unit }: { readonly scale: string; readonly unit: string },
  points: readonly CostPoint[],
  plain?: { readonly mean: number; readonly deviation: number },
): Figure {
  const costs = points.map(({ cost }) => cost);
  const x: [number, number] = [Math.min(1, ...costs) / 1.5, 1.5 * Math.max(2, ...costs)];
  const ticks = ticksBetween(x);
  const search = plain === undefined ? [] : searchLine(plain, x[1]);
  const heights = [
    ...points.flatMap(({ value, interval }) => [value, interval?.low ?? value, interval?.high ?? value]),
    ...search.map(({ value }) => value),
  ];
  const [low, high] = [Math.min(...heights), Math.max(...heights)];
  const pad = 0.08 * (high - low || Math.abs(high) || 1);
  const y: [number, number] = [low - pad, high + pad];

  const atX = (value: number) =>
    MARGIN.left + (WIDTH - MARGIN.left - MARGIN.right) * (Math.log(value / x[0]) / Math.log(x[1] / x[0]));
  const atY = (value: number) =>
    HEIGHT - MARGIN.bottom - (HEIGHT - MARGIN.top - MARGIN.bottom) * ((value - y[0]) / (y[1] - y[0]));
  const labelAt = (text: string, cost: number, value: number): Label & { text: string } => ({
    text,
    x: atX(cost),
    y: atY(value),
    width: widthOf(text) + 4,
    height: LINE,
  });
  const middle = search[Math.floor(0.6 * search.length)];
  const labels = [
    ...points.map(({ label, index, cost, value }) =>
      labelAt(`${seriesOf(index).glyph} ${shortened(label, MOST_LABEL)}`, cost, value),
    ),
    ...(middle === undefined ? [] : [labelAt(SEARCH, middle.cost, middle.value)]),
  ];
  const places = placeLabels(
    labels,
    [
      ...points.map(({ cost, value, interval }) => ({
        left: atX(cost) - 3,
        right: atX(cost) + 3,
        top: atY(interval?.high ?? value),
        bottom: atY(interval?.low ?? value),
      })),
      ...search.map(({ cost, value }) => around(atX(cost), atY(value), 4)),
    ],
    { left: MARGIN.left + 2, right: WIDTH - 4, top: MARGIN.top, bottom: HEIGHT - MARGIN.bottom - 2 },
  );

  const drawn = plot({
    height: HEIGHT,
    marginLeft: MARGIN.left,
    marginRight: MARGIN.right,
    marginTop: MARGIN.top,
    marginBottom: MARGIN.bottom,
    x: { type: 'log', domain: x, axis: null },
    y: { domain: y, label: printable(`↑ ${scale}`), ticks: 5 },
    marks: [
      Plot.frame({ strokeOpacity: 0.25 }),
      // The text of each tick: a logarithmic scale would leave some of them out.
      Plot.axisX(ticks, {
        text: (tick: number) => tick.toLocaleString('en'),
        label: printable(`cost in ${unit} →`),
        labelOffset: 36,
      }),
      Plot.gridX({ strokeOpacity: GRID, ticks }),
      Plot.gridY({ strokeOpacity: GRID, ticks: 5 }),
      Plot.line(search, {
        x: 'cost',
        y: 'value',
        strokeDasharray: '4,3',
        strokeWidth: 1.5,
        strokeOpacity: 0.7,
      }),
      ...points.flatMap(({ index, cost, value, interval }) => {
        const { colour, symbol } = seriesOf(index);
        return [
          Plot.ruleX([cost], {
            y1: interval?.low ?? value,
            y2: interval?.high ?? value,
            stroke: colour,
            strokeWidth: 2,
          }),
          Plot.dot([{ cost, value }], {
            x: 'cost',
            y: 'value',
            symbol,
            r: 5.5,
            fill: colour,
            stroke: 'currentColor',
          }),
        ];
      }),
      ...labels.flatMap(({ text }, i) => {
        const place = places[i];
        if (place === undefined) return [];
        // In pixels from the corner of the frame, because the place is known in pixels.
        return Plot.text([text], {
          frameAnchor: 'top-left',
          text: (shown: string) => shown,
          dx: (place.left + place.right) / 2 - MARGIN.left,
          dy: (place.top + place.bottom) / 2 - MARGIN.top,
          textAnchor: 'middle',
          lineAnchor: 'middle',
          fontSize: FONT.text,
          fontWeight: i < points.length ? 600 : 400,
        });
      }),
    ],
  });
  const hidden = points.filter((_, i) => places[i] === undefined);
  return compose(
    {
      name,
      title,
      caption: [
        'Each point is a method; lines: 95% intervals.',
        ...(search.length === 0
          ? []
          : [
              'Dashed: what the best of N plain images would reach if the judge itself chose it; a method above it does more than search for its cost.',
            ]),
        ...(hidden.length === 0
          ? []
          : [
              `Without a label: ${hidden.map(({ label, index, cost }) => `${label} (${seriesOf(index).symbol}, cost ${shortRatio(cost)})`).join(', ')}.`,
            ]),
      ].join(' '),
    },
    [drawn],
  );
}

const around = (x: number, y: number, reach: number) => ({
  left: x - reach,
  right: x + reach,
  top: y - reach,
  bottom: y + reach,
});

/** The expected best of N images, for N up to the end of the axis. */
function searchLine(
  { mean, deviation }: { readonly mean: number; readonly deviation: number },
  most: number,
): { cost: number; value: number }[] {
  const count = 40;
  return Array.from({ length: count + 1 }, (_, i) => {
    const cost = most ** (i / count);
    return { cost, value: mean + deviation * expectedMaximum(cost) };
  });
}

/** 1, 2 and 5 times powers of ten within the axis; powers alone where it spans more than three of them. */
function ticksBetween([low, high]: readonly [number, number]): number[] {
  const powers = Array.from({ length: 24 }, (_, i) => 10 ** (i - 6));
  const steps = high / low > 1000 ? [1] : [1, 2, 5];
  return powers.flatMap((power) => steps.map((step) => step * power)).filter((at) => at >= low && at <= high);
}
