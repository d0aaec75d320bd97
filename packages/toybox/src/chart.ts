/** @file One panel of a chart as SVG: lines between two axes; a line of one point is a dot. */

export interface Axis {
  readonly low: number;
  readonly high: number;
  /** Even steps mean even factors. Default false. */
  readonly logarithmic?: boolean;
  /** What is written at the axis. */
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
}

export interface Line {
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly colour: string;
  /** Default 1.6. */
  readonly width?: number;
  /** As in `stroke-dasharray`. */
  readonly dash?: string;
}

export interface Panel {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly lines: readonly Line[];
}

/** Of a panel, with everything that is written around it. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const MARGIN = { left: 52, right: 12, top: 30, bottom: 28 };

/** An SVG document around its content. `title` is what programs read aloud that cannot see it. */
export function svgDocument(
  title: string,
  width: number,
  height: number,
  content: readonly string[],
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif">`,
    `<title>${title}</title>`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    ...content,
    '</svg>',
    '',
  ].join('\n');
}

/** A panel at its place. */
export function panelSvg({ title, x, y, lines }: Panel, { left, top, width, height }: Box): string {
  const [w, h] = [width - MARGIN.left - MARGIN.right, height - MARGIN.top - MARGIN.bottom];
  const px = (value: number) => MARGIN.left + w * share(value, x);
  const py = (value: number) => MARGIN.top + h * (1 - share(value, y));
  const bottom = MARGIN.top + h;
  // Words at the end of the axis stay inside of the panel.
  const anchor = (at: number) => (at === x.high ? 'end' : 'middle');
  return [
    `<g transform="translate(${left} ${top})" font-size="10" fill="#555">`,
    `<text x="${MARGIN.left}" y="18" font-size="12" fill="#222">${title}</text>`,
    `<rect x="${MARGIN.left}" y="${MARGIN.top}" width="${w}" height="${h}" fill="none" stroke="#ddd"/>`,
    ...y.ticks.map(
      ({ at, text }) =>
        `<text x="${MARGIN.left - 5}" y="${(py(at) + 4).toFixed(1)}" text-anchor="end">${text}</text>`,
    ),
    ...x.ticks.map(
      ({ at, text }) =>
        `<text x="${px(at).toFixed(1)}" y="${bottom + 14}" text-anchor="${anchor(at)}">${text}</text>`,
    ),
    ...lines.map(({ points, colour, width: stroke = 1.6, dash }) => {
      const path = points.map((point) => `${px(point[0]).toFixed(1)},${py(point[1]).toFixed(1)}`);
      if (path.length === 1) {
        const [cx, cy] = path[0].split(',');
        return `<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`;
      }
      const dashes = dash ? ` stroke-dasharray="${dash}"` : '';
      return `<polyline points="${path.join(' ')}" fill="none" stroke="${colour}" stroke-width="${stroke}"${dashes}/>`;
    }),
    '</g>',
  ].join('\n');
}

/** Where a value lies on its axis, from 0 to 1. */
function share(value: number, { low, high, logarithmic }: Axis): number {
  return logarithmic ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
}
