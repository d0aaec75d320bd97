/** @file Charts of lines: panels side by side under one title, and a legend. */
import { type Axis, positionOn } from './axis.ts';
import { element, HEADER, lineBetween, svgDocument, textAt } from './svg.ts';

/** A line through its points; a single point is drawn as a dot. */
export interface Line {
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly colour: string;
  /** In pixels, default 1.6. */
  readonly width?: number;
  /** As in `stroke-dasharray`. */
  readonly dash?: string;
}

/** One panel: axes, and the lines in it. */
export interface Panel {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
}

/** Panels of lines under one title, with a legend. */
export interface LineChart {
  readonly title: string;
  readonly subtitle?: string;
  readonly panels: readonly Panel[];
  /** Panels in a row. */
  readonly columns: number;
  /** Of each panel with its title and ticks, in pixels. */
  readonly panelSize: { readonly width: number; readonly height: number };
  /** Names of lines that all panels share, in the style of their line. */
  readonly legend?: readonly (Line & { readonly name: string })[];
}

const MARGIN = { left: 52, right: 12, top: 30, bottom: 28 };
const LEGEND = { columns: 3, row: 17, sample: 22 };
const DOT = 3;

/** The chart as an SVG document. */
export function lineChart({ title, subtitle, panels, columns, panelSize, legend = [] }: LineChart): string {
  const top = subtitle === undefined ? HEADER.title : HEADER.subtitle;
  const rows = Math.max(1, Math.ceil(panels.length / columns));
  const width = columns * panelSize.width;
  const bottom = top + rows * panelSize.height;
  const drawn = panels.map((panel, i) => {
    const [column, row] = [i % columns, Math.floor(i / columns)];
    return panelAt(panel, panelSize, [column * panelSize.width, top + row * panelSize.height]);
  });
  const legendTop = bottom + 12;
  const names = legend.map((entry, i) =>
    legendEntry(entry, [
      MARGIN.left + (i % LEGEND.columns) * (width / LEGEND.columns - 10),
      legendTop + Math.floor(i / LEGEND.columns) * LEGEND.row,
    ]),
  );
  const legendRows = Math.ceil(legend.length / LEGEND.columns);
  const height = legendRows === 0 ? bottom : legendTop + legendRows * LEGEND.row + 8;
  return svgDocument({ title, subtitle, width, height }, [...drawn, ...names]);
}

function panelAt(
  { title, x, y, lines }: Panel,
  { width, height }: LineChart['panelSize'],
  [left, top]: readonly [number, number],
): string {
  const [w, h] = [width - MARGIN.left - MARGIN.right, height - MARGIN.top - MARGIN.bottom];
  const [right, bottom] = [MARGIN.left + w, MARGIN.top + h];
  const px = (value: number) => MARGIN.left + w * positionOn(x, value);
  const py = (value: number) => bottom - h * positionOn(y, value);
  // A tick at the end of the axis stays inside the panel.
  const anchor = (at: number) => (at === x.high ? 'end' : 'middle');
  const content = [
    textAt(MARGIN.left, 18, title, { 'font-size': 12, fill: '#222' }),
    ...y.ticks.flatMap(({ at, text }) => [
      lineBetween([MARGIN.left, py(at)], [right, py(at)], { stroke: '#eee' }),
      textAt(MARGIN.left - 5, py(at) + 4, text, { 'text-anchor': 'end' }),
    ]),
    ...x.ticks.flatMap(({ at, text }) => [
      lineBetween([px(at), MARGIN.top], [px(at), bottom], { stroke: '#eee' }),
      textAt(px(at), bottom + 14, text, { 'text-anchor': anchor(at) }),
    ]),
    element('rect', { x: MARGIN.left, y: MARGIN.top, width: w, height: h, fill: 'none', stroke: '#ddd' }),
    ...lines.map((line) =>
      lineSvg(
        line,
        line.points.map((point) => [px(point[0]), py(point[1])]),
      ),
    ),
  ];
  const place = { transform: `translate(${left} ${top})`, 'font-size': 10, fill: '#555' };
  return element('g', place, `\n${content.join('\n')}\n`);
}

/** @param points in pixels */
function lineSvg(
  { colour, width = 1.6, dash }: Pick<Line, 'colour' | 'width' | 'dash'>,
  points: readonly (readonly [number, number])[],
): string {
  if (points.length === 1) {
    const [[cx, cy]] = points;
    return element('circle', { cx, cy, r: DOT, fill: colour });
  }
  return element('polyline', {
    points: points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(' '),
    fill: 'none',
    stroke: colour,
    'stroke-width': width,
    'stroke-linejoin': 'round',
    'stroke-dasharray': dash,
  });
}

function legendEntry(
  { name, ...line }: Line & { readonly name: string },
  [left, y]: readonly [number, number],
): string {
  const isDot = line.points.length === 1;
  const [from, to] = [left, left + LEGEND.sample] as const;
  const sample = lineSvg(
    line,
    isDot
      ? [[(from + to) / 2, y]]
      : [
          [from, y],
          [to, y],
        ],
  );
  return sample + textAt(to + 6, y + 4, name, { 'font-size': 11, fill: '#333' });
}
