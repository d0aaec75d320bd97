/** @file The over-optimisation curve: the judge against iterations, and the followed score below it on the same axis. */
import * as Plot from '@observablehq/plot';
import { maximum, minimum } from '../../../numbers.ts';
import type { Curve, CurvePoint } from '../curves.ts';
import { quantity } from '../format.ts';
import { compose, type Figure, FONT, GRID, type PlotElement, plot } from './compose.ts';
import { seriesOf } from './series.ts';

/** @param titles of the judge and of the followed score */
export function curveChart(
  name: string,
  { method, points, of, cells }: Curve,
  index: number,
  titles: { readonly judge: string; readonly followed: string },
  digits: { readonly judge: number; readonly followed: number },
): Figure {
  const { colour } = seriesOf(index);
  const top = points.reduce((best, point) => (point.judge > best.judge ? point : best));
  const last = points[points.length - 1].iteration;
  const hasFollowed = points.every(({ followed }) => followed !== undefined);
  const what =
    of === 'iterates'
      ? 'mean of the image at each iteration'
      : 'mean of the image that would be chosen by then';
  return compose(
    {
      name,
      title: `${method}: judge against iterations`,
      caption: `${titles.judge}, ${what}, over ${cells} images; band: 95% interval. Highest at iteration ${top.iteration}.${hasFollowed ? ` Below: ${titles.followed}, which the method follows. Where it still rises and the judge falls, the method over-optimises.` : ''}`,
    },
    [
      {
        heading: `${titles.judge} (judges)`,
        ...panel(
          last,
          points.flatMap(({ judge, interval }) => [judge, interval?.low ?? judge, interval?.high ?? judge]),
          !hasFollowed,
          [
            Plot.areaY([...points], {
              x: 'iteration',
              y1: (point: CurvePoint) => point.interval?.low ?? point.judge,
              y2: (point: CurvePoint) => point.interval?.high ?? point.judge,
              fill: colour,
              fillOpacity: 0.25,
            }),
            Plot.line([...points], { x: 'iteration', y: 'judge', stroke: colour, strokeWidth: 2 }),
            Plot.dot([top], { x: 'iteration', y: 'judge', r: 4.5, fill: colour, stroke: 'currentColor' }),
            Plot.text([top], {
              x: 'iteration',
              y: 'judge',
              text: () => `highest ${quantity(top.judge, digits.judge)}`,
              dy: -12,
              // Away from the end that it is near to.
              textAnchor: anchorAt(points, top),
              fontSize: FONT.small,
            }),
          ],
        ),
      },
      ...(hasFollowed
        ? [
            {
              heading: `${titles.followed} (followed)`,
              ...panel(
                last,
                points.flatMap(({ followed }) => followed ?? []),
                true,
                [
                  Plot.line([...points], {
                    x: 'iteration',
                    y: 'followed',
                    stroke: 'currentColor',
                    strokeWidth: 2,
                    strokeDasharray: '6,3',
                  }),
                ],
              ),
            },
          ]
        : []),
    ],
  );
}

function anchorAt(points: readonly CurvePoint[], { iteration }: CurvePoint): 'start' | 'middle' | 'end' {
  const last = points[points.length - 1].iteration;
  return iteration < 0.25 * last ? 'start' : iteration > 0.75 * last ? 'end' : 'middle';
}

function panel(
  last: number,
  values: readonly number[],
  hasAxis: boolean,
  marks: Plot.Markish[],
): PlotElement {
  const [low, high] = [minimum(values), maximum(values)];
  const room = 0.18 * (high - low || Math.abs(high) || 1);
  const ticks = Math.min(6, last);
  return plot({
    height: hasAxis ? 156 : 150,
    marginLeft: 46,
    marginRight: 16,
    marginTop: 8,
    marginBottom: hasAxis ? 38 : 12,
    x: {
      domain: [0, last],
      label: hasAxis ? 'iteration →' : null,
      labelOffset: 34,
      ticks,
      tickFormat: (tick: number) => (Number.isInteger(tick) && hasAxis ? String(tick) : ''),
    },
    y: { domain: [low - room / 3, high + room], label: null, ticks: 4 },
    marks: [
      Plot.frame({ strokeOpacity: 0.25 }),
      Plot.gridX({ strokeOpacity: GRID, ticks }),
      Plot.gridY({ strokeOpacity: GRID, ticks: 4 }),
      ...marks,
    ],
  });
}
