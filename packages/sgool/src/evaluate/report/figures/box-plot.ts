/** @file Box plots: the values of a score, one box per method. */
import * as Plot from '@observablehq/plot';
import { maximum, mean, minimum } from '../../../numbers.ts';
import { median } from '../../statistics/descriptive.ts';
import { quantity } from '../format.ts';
import { compose, type Figure, FONT, GRID, plot, shortened, WIDTH, widthOf } from './compose.ts';
import { seriesOf } from './series.ts';
import { ticksOf } from './ticks.ts';

/** The values of a method; `index` is its place among all methods. */
export interface BoxGroup {
  readonly label: string;
  readonly index: number;
  readonly values: readonly number[];
}

const ROW = 50;
/** Room for half of the first and the last label of the axis. */
const SIDE = 28;
/** Distance of texts from the edge. */
const EDGE = 4;

/** One box per method, its label and its median above it. */
export function boxPlot(
  name: string,
  title: string,
  what: string,
  groups: readonly BoxGroup[],
  digits: number,
  zero = false,
): Figure {
  const rows = groups.flatMap(({ label, values }) => values.map((value) => ({ row: label, value })));
  const height = ROW * groups.length + 34;
  const all = groups.flatMap(({ values }) => values);
  const [low, high] = [
    Math.min(...(zero ? [0] : []), minimum(all)),
    Math.max(...(zero ? [0] : []), maximum(all)),
  ];
  const room = 0.03 * (high - low || Math.abs(high) || 1);
  const domain: [number, number] = [low - room, high + room];
  const ticks = ticksOf(domain, WIDTH - 2 * SIDE);
  const drawn = plot({
    height,
    marginLeft: SIDE,
    marginRight: SIDE,
    marginTop: 6,
    marginBottom: 28,
    x: { label: null, domain, ticks: [...ticks.values], tickFormat: ticks.text },
    y: { axis: null, domain: groups.map(({ label }) => label), padding: 0 },
    marks: [
      Plot.gridX([...ticks.values], { strokeOpacity: GRID }),
      ...(zero ? [Plot.ruleX([0], { strokeOpacity: 0.6, strokeDasharray: '3,3' })] : []),
      ...groups.map(({ label, index }) =>
        Plot.boxX(
          rows.filter(({ row }) => row === label),
          {
            x: 'value',
            y: 'row',
            insetTop: 17,
            insetBottom: 17,
            fill: seriesOf(index).colour,
            fillOpacity: 0.45,
            strokeWidth: 1.5,
            r: 2,
          },
        ),
      ),
      ...groups.map(({ label, index, values }) =>
        Plot.dot([{ row: label, value: mean(values) }], {
          x: 'value',
          y: 'row',
          symbol: 'diamond',
          r: 4,
          fill: seriesOf(index).colour,
          stroke: 'currentColor',
        }),
      ),
      ...groups.flatMap(({ label, values }) => {
        const figure = `median ${quantity(median(values), digits)}`;
        const room = WIDTH - 2 * EDGE - widthOf(figure) - 8;
        const at = { y: 'row', dy: -17, fontSize: FONT.text } as const;
        return [
          Plot.text([{ row: label }], {
            ...at,
            frameAnchor: 'left',
            dx: EDGE - SIDE,
            text: () => shortened(label, room),
            fontWeight: 600,
          }),
          Plot.text([{ row: label }], { ...at, frameAnchor: 'right', dx: SIDE - EDGE, text: () => figure }),
        ];
      }),
    ],
  });
  return compose(
    {
      name,
      title,
      caption: `${what} Box: the middle half; line: median; diamond: mean; whiskers: values within 1.5 lengths of the box; dots: values beyond.`,
    },
    [drawn],
  );
}
