import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseHTML } from 'linkedom';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mulberry32 } from '../../mulberry32.ts';
import { expectedMaximum } from '../../statistics/equivalent-n.ts';
import { fakeEvaluation } from '../../testing.ts';
import { summarise } from '../summarise.ts';
import { drawFigures, type Figures } from './all.ts';
import { categoryBars } from './bars.ts';
import { boxPlot } from './box-plot.ts';
import { type Figure, shortened, standalone, WIDTH, widthOf, wrapped } from './compose.ts';
import { type CostPoint, costChart } from './cost-chart.ts';
import { curveChart } from './curve-chart.ts';
import { overlap, placeLabels } from './labels.ts';
import { seriesOf } from './series.ts';
import { ticksOf } from './ticks.ts';

const LABEL = `<b>&"x"\u0000</b>`;

let folder = '';
let figures: Figures;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sgool-figures-'));
  const fake = await fakeEvaluation(folder, { prompts: 6 });
  figures = drawFigures(fake, summarise(fake));
});
afterAll(() => rm(folder, { recursive: true }));

const textsOf = ({ svg }: Figure) =>
  [...parseHTML(svg).document.querySelectorAll('text')].map(({ textContent }) => textContent);

describe('the figures of an evaluation', () => {
  it('are there for every score, and for every method with iterates', () => {
    const names = Object.entries(figures).map(([kind, list]) => [kind, list.map(({ name }: Figure) => name)]);
    expect(Object.fromEntries(names)).toEqual({
      boxes: ['boxes-fake-clip-a', 'boxes-fake-clip-b', 'boxes-fake-judge', 'boxes-fake-hps-v2.1'],
      means: ['means-fake-clip-a', 'means-fake-clip-b', 'means-fake-judge', 'means-fake-hps-v2.1'],
      categories: [
        'categories-fake-clip-a',
        'categories-fake-clip-b',
        'categories-fake-judge',
        'categories-fake-hps-v2.1',
      ],
      // Not by CLIP A, which guided; not by HPS, whose mean has no meaning.
      cost: ['cost-fake-clip-b', 'cost-fake-judge'],
      curves: ['curve-fake-sgool'],
    });
  });

  it('name every method in letters, and say in words how they are read', () => {
    for (const figure of [...figures.boxes, ...figures.means, ...figures.categories, ...figures.cost]) {
      const isDifference = figure.title.includes('differences from sd');
      for (const label of ['best-of', 'sgool', ...(isDifference ? [] : ['sd'])]) {
        expect(textsOf(figure).map((text) => text?.replace(/^[●■▲◆★✚] /, ''))).toContain(label);
      }
      expect(figure.caption.length).toBeGreaterThan(20);
      expect(figure.svg).toContain(`<title>${figure.title}. `);
    }
    expect(figures.boxes[0].caption).toContain('It guided or selected best-of, sgool: no result for these.');
    expect(figures.boxes[2].caption).not.toContain('no result');
    expect(figures.curves[0].caption).toContain('which the method follows');
  });

  it('are whole numbers and colours: no NaN, nothing loaded, the text in the colour of its surroundings', async () => {
    for (const figure of Object.values(figures).flat()) {
      expect(figure.svg).not.toMatch(/NaN|undefined|Infinity|url\(|href|<style/);
      expect(figure.svg).toMatch(/^<svg [^>]*fill="currentColor"/);
      const { width, height } = await sharp(Buffer.from(standalone(figure))).metadata();
      expect(width).toBe(WIDTH);
      expect(height).toBeGreaterThan(80);
    }
  });

  it('are drawn: a PNG has dark letters and the colour of each method', async () => {
    const { data } = await sharp(Buffer.from(standalone(figures.means[2])), { density: 144 })
      .flatten({ background: '#fff' })
      .raw()
      .toBuffer({ resolveWithObject: true });
    const colours = new Set<string>();
    for (let i = 0; i < data.length; i += 3) colours.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
    expect(colours).toContain('28,30,33');
    expect(colours.size).toBeGreaterThan(20);
  });
});

describe('texts by others in a figure', () => {
  const interval = { low: 0.4, high: 0.6 };
  const point = { iteration: 0, judge: 1, interval, followed: 2 };
  const drawn: readonly [string, Figure][] = [
    ['box plot', boxPlot('n', LABEL, LABEL, [{ label: LABEL, index: 0, values: [1, 2, 3] }], 2)],
    [
      'bars by category',
      categoryBars(
        'n',
        LABEL,
        LABEL,
        [{ category: LABEL, rows: [{ label: LABEL, index: 0, value: 0.5, interval }] }],
        2,
      ),
    ],
    [
      'cost chart',
      costChart('n', LABEL, { scale: LABEL, unit: LABEL }, [
        { label: LABEL, index: 0, cost: 2, value: 0.5, interval },
      ]),
    ],
    [
      'curve',
      curveChart(
        'n',
        { method: LABEL, judge: 'j', of: 'iterates', cells: 1, points: [point, { ...point, iteration: 1 }] },
        0,
        { judge: LABEL, followed: LABEL },
        { judge: 2, followed: 2 },
      ),
    ],
  ];
  it.each(drawn)('are escaped and printable: %s', (_, { svg }) => {
    expect(svg).not.toContain('<b>');
    expect(svg).not.toContain('\u0000');
    expect(svg).toContain('&lt;b&gt;&amp;');
  });
});

describe('labels of points', () => {
  it('cover no point, no obstacle and no other label, and stay in the frame', () => {
    const uniform = mulberry32(3);
    const frame = { left: 40, top: 20, right: 350, bottom: 290 };
    for (let round = 0; round < 30; round++) {
      const labels = Array.from({ length: 8 }, () => ({
        x: 60 + 260 * uniform(),
        y: 40 + 230 * uniform(),
        width: 30 + 60 * uniform(),
        height: 15,
      }));
      const obstacles = labels.map(({ x, y }) => ({
        left: x - 3,
        right: x + 3,
        top: y - 30,
        bottom: y + 30,
      }));
      const places = placeLabels(labels, obstacles, frame);
      const found = places.flatMap((place) => place ?? []);
      expect(found.length).toBe(8);
      for (const [i, place] of found.entries()) {
        expect(place.left).toBeGreaterThanOrEqual(frame.left);
        expect(place.right).toBeLessThanOrEqual(frame.right);
        expect(place.top).toBeGreaterThanOrEqual(frame.top);
        expect(place.bottom).toBeLessThanOrEqual(frame.bottom);
        for (const other of [...found.slice(i + 1), ...obstacles]) expect(overlap(place, other)).toBe(false);
        for (const { x, y } of labels) {
          expect(overlap(place, { left: x - 5, right: x + 5, top: y - 5, bottom: y + 5 })).toBe(false);
        }
      }
    }
  });

  it('are left out where there is no room, and the caption then names the shapes', () => {
    const label = { x: 5, y: 5, width: 50, height: 15 };
    expect(placeLabels([label], [], { left: 0, top: 0, right: 40, bottom: 40 })).toEqual([undefined]);
    const points = Array.from(
      { length: 60 },
      (_, index): CostPoint => ({
        label: `a method with a long name ${index}`,
        index,
        cost: 10,
        value: 0.5 + index / 1e5,
        interval: { low: 0.1, high: 0.9 },
      }),
    );
    const crowded = costChart('n', 't', { scale: 's', unit: 'u' }, points);
    expect(crowded.caption).toMatch(
      /Without a label: a method with a long name \d+ \((circle|square|triangle|diamond|star|cross), cost 10\)/,
    );
  });
});

describe('the chart of cost', () => {
  const points: CostPoint[] = [
    { label: 'sd', index: 0, cost: 1, value: 0.5, interval: null },
    { label: 'sgool', index: 1, cost: 20, value: 0.7, interval: { low: 0.65, high: 0.75 } },
  ];

  it('draws what the best of N would reach, where the spread is known', () => {
    const without = costChart('n', 't', { scale: 's', unit: 'u' }, points);
    const withLine = costChart('n', 't', { scale: 's', unit: 'u' }, points, { mean: 0.5, deviation: 0.1 });
    expect(textsOf(without)).not.toContain('best of N by the judge');
    expect(textsOf(withLine)).toContain('best of N by the judge');
    expect(withLine.caption).toContain('Dashed:');
    // The axis ends at 30 images: the line at mean + deviation · E(30), above both points.
    expect(0.5 + 0.1 * expectedMaximum(30)).toBeGreaterThan(0.7);
  });

  it('has ticks at 1, 2 and 5 times powers of ten, each with its text', () => {
    const texts = textsOf(costChart('n', 't', { scale: 's', unit: 'u' }, points));
    for (const tick of ['1', '2', '5', '10', '20']) expect(texts).toContain(tick);
  });
});

describe('ticks', () => {
  it('are round, lie within the axis, and leave room for their labels', () => {
    const uniform = mulberry32(5);
    for (let round = 0; round < 300; round++) {
      const scale = 10 ** (8 * uniform() - 5);
      const low = (uniform() - 0.5) * scale;
      const high = low + (0.05 + uniform()) * scale;
      const { values, text } = ticksOf([low, high], 250);
      expect(values.length).toBeGreaterThan(0);
      for (const [i, value] of values.entries()) {
        expect(value).toBeGreaterThanOrEqual(low - 1e-6 * scale);
        expect(value).toBeLessThanOrEqual(high + 1e-6 * scale);
        expect(Number(text(value).replaceAll(',', '').replace('−', '-'))).toBeCloseTo(value, 9);
        if (i === 0) continue;
        const distance = (250 * (value - values[i - 1])) / (high - low);
        expect(distance).toBeGreaterThan((widthOf(text(value)) + widthOf(text(values[i - 1]))) / 2);
      }
    }
  });
});

describe('texts in a figure', () => {
  it('beside bars are whole where they are of usual length, and cut where they are longer', () => {
    const { svg } = categoryBars(
      'n',
      'title',
      'caption',
      [
        {
          category: 'one',
          rows: [
            { label: 'best-of (first 33)', index: 0, value: 0.5, interval: null },
            { label: 'a much longer label of a variant', index: 1, value: 0.5, interval: null },
          ],
        },
      ],
      2,
    );
    expect(svg).toContain('best-of (first 33)');
    expect(svg).toMatch(/a much longer label[^<]{0,4}…/);
  });

  it('are shortened to the room that there is, and wrapped at words', () => {
    expect(shortened('short', 100)).toBe('short');
    expect(shortened('a rather long label of a method', 80)).toBe('a rather l…');
    expect(widthOf(shortened('a rather long label of a method', 80))).toBeLessThanOrEqual(80);
    const lines = wrapped('one two three four five six', 80, 12);
    expect(lines.join(' ')).toBe('one two three four five six');
    for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(80);
  });
});

it('colours are seen on a light and on a dark ground', () => {
  const light = (hex: string) => {
    const [r, g, b] = [1, 3, 5].map((at) => {
      const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  for (let i = 0; i < 8; i++) {
    const own = light(seriesOf(i).colour);
    expect(1.05 / (own + 0.05)).toBeGreaterThanOrEqual(3);
    expect((own + 0.05) / (light('#15171a') + 0.05)).toBeGreaterThanOrEqual(3);
  }
});
