/** @file A chart of horizontal bars from zero, each with its label, its figures and, where it has one, a mark for the goal. */
import { type Axis, positionOn } from './axis.ts';
import { element, HEADER, lineBetween, svgDocument, textAt } from './svg.ts';

/** One bar with its label and figures. */
export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly colour: string;
  /** Where a black mark is drawn across the bar. */
  readonly mark?: number;
  /** What is written to the right of it. */
  readonly figures: string;
}

/** A chart of horizontal bars that start at zero. */
export interface BarChart {
  readonly title: string;
  readonly subtitle?: string;
  readonly bars: readonly Bar[];
  /** Values with a vertical line; those beyond the largest bar are left out. */
  readonly ticks: readonly number[];
  /** The tick that the others are compared with; its line is darker. */
  readonly reference?: number;
}

const ROW = 26;
const BARS = 380;
const GAP = 14;
/** Wider than most letters of a sans-serif font of 12 pixels, so that labels fit. */
const LETTER = 6.6;

/** The chart as an SVG document. Columns are as wide as their longest text. */
export function barChart({ title, subtitle, bars, ticks, reference }: BarChart): string {
  const longest = (texts: readonly string[]) => LETTER * Math.max(0, ...texts.map((text) => text.length));
  const left = GAP + longest(bars.map(({ label }) => label)) + 10;
  const width = left + BARS + 8 + longest(bars.map(({ figures }) => figures)) + GAP;
  const top = HEADER.subtitle + 12;
  const bottom = top + ROW * bars.length;
  const furthest = Math.max(1, ...bars.flatMap(({ value, mark = 0 }) => [value, mark]));
  const axis: Axis = { low: 0, high: 1.02 * furthest, ticks: [] };
  const x = (value: number) => left + BARS * positionOn(axis, value);
  const rule = (value: number, from: number, to: number, style: Record<string, string | number>) =>
    lineBetween([x(value), from], [x(value), to], style);

  const grid = ticks
    .filter((tick) => tick <= axis.high)
    .flatMap((tick) => [
      rule(tick, top, bottom, { stroke: tick === reference ? '#555' : '#ddd' }),
      textAt(x(tick), bottom + 16, `${tick}`, { 'text-anchor': 'middle', fill: '#777' }),
    ]);
  const drawn = bars.flatMap(({ label, value, colour, mark, figures }, i) => {
    const y = top + ROW * i;
    const baseline = y + ROW / 2 + 4;
    return [
      textAt(left - 10, baseline, label, { 'text-anchor': 'end', fill: '#222' }),
      element('rect', { x: left, y: y + 4, width: x(value) - left, height: ROW - 8, fill: colour }),
      ...(mark === undefined ? [] : [rule(mark, y + 1, y + ROW - 1, { stroke: '#111', 'stroke-width': 2 })]),
      textAt(left + BARS + 8, baseline, figures, { fill: '#222' }),
    ];
  });
  const content = element('g', { 'font-size': 12 }, `\n${[...grid, ...drawn].join('\n')}\n`);
  return svgDocument({ title, subtitle, width: Math.ceil(width), height: bottom + 30 }, [content]);
}
