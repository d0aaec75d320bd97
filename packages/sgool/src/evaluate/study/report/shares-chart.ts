/** @file The chart of the article's trial: for each question, stacked bars of what people preferred, in all and by category. */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { escapeMarkup } from '../../text.ts';
import type { Couple, QuestionResults, Share } from './results.ts';

const WIDTH = 760;
const ROW = 30;
/** Width of a letter in pixels, rather too wide. */
const LETTER = 7.6;
/** Colours that the colour-blind tell apart (Okabe and Ito), dark, light and middle, and what is written on them. */
const PARTS = [
  { key: 'wins', fill: '#0072B2', ink: '#ffffff' },
  { key: 'ties', fill: '#d9d9d9', ink: '#222222' },
  { key: 'losses', fill: '#E69F00', ink: '#222222' },
] as const;
/** Narrower parts have no room for their figure, in percent. */
const NARROW = 6;

interface Bar {
  readonly question: string;
  readonly row: string;
  readonly key: (typeof PARTS)[number]['key'];
  readonly from: number;
  readonly to: number;
}

const ALL = 'all prompts';

/**
 * The chart of one couple of methods, as an SVG document. Lines and text that are not on a bar have the colour of the page
 * (`currentColor`).
 */
export function sharesChart(method: string, against: string, questions: readonly QuestionResults[]): string {
  const parts = questions.flatMap((question) => {
    const couple = question.couples.find((one) => one.method === method && one.against === against);
    return couple === undefined ? [] : [{ title: question.text, couple }];
  });
  const bars = parts.flatMap(({ title, couple }) => barsOf(title, couple));
  const rows = [...new Set(bars.map(({ row }) => row))];
  const left = 20 + LETTER * Math.max(...rows.map(({ length }) => length));
  const titles = parts.map(({ title }) => title);
  const barsAs = (key: Bar['key']) => bars.filter((bar) => bar.key === key);
  const place = { fy: 'question', y: 'row' } as const;
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const chart = Plot.plot({
    document: document as unknown as NonNullable<Plot.PlotOptions['document']>,
    width: WIDTH,
    height: 70 + titles.length * (rows.length * ROW + 34),
    marginTop: 62,
    marginLeft: left,
    marginRight: 24,
    marginBottom: 34,
    style: { fontSize: '13px', fontFamily: 'system-ui, sans-serif' },
    x: { domain: [0, 100], label: 'share of the answers, %', ticks: 5 },
    y: { domain: rows, label: null, tickSize: 0, padding: 0.18 },
    fy: { domain: titles, label: null, axis: null, padding: 0.2 },
    marks: [
      ...PARTS.map(({ key, fill }) =>
        Plot.barX(barsAs(key), { ...place, x1: 'from', x2: 'to', fill, stroke: '#ffffff', strokeWidth: 1 }),
      ),
      Plot.ruleX([50], { stroke: '#222222', strokeDasharray: '3 3', strokeOpacity: 0.6 }),
      ...PARTS.map(({ key, fill, ink }) =>
        Plot.text(
          barsAs(key).filter(({ from, to }) => to - from >= NARROW),
          {
            ...place,
            x: (bar: Bar) => (bar.from + bar.to) / 2,
            text: (bar: Bar) => `${Math.round(bar.to - bar.from)}%`,
            fill: ink,
            stroke: fill,
            strokeWidth: 5,
          },
        ),
      ),
      Plot.text(titles, {
        fy: (title: string) => title,
        text: (title: string) => title,
        frameAnchor: 'top-left',
        dx: -left + 8,
        dy: -14,
        fontWeight: 'bold',
        fontSize: 14,
      }),
    ],
  });
  const legend = [`${method} preferred`, 'no difference', `${against} preferred`];
  return withLegend(chart.outerHTML, `${method} and ${against}: shares of preference`, legend);
}

function barsOf(question: string, { all, categories }: Couple): Bar[] {
  const rows: readonly Share[] = categories.length > 1 ? [all, ...categories] : [all];
  return rows.flatMap((share) => {
    const total = share.wins + share.ties + share.losses;
    if (total === 0) return [];
    let from = 0;
    return PARTS.map(({ key }): Bar => {
      const to = from + (100 * share[key]) / total;
      const bar = { question, row: `${share.category ?? ALL} (${total})`, key, from, to };
      from = to;
      return bar;
    });
  });
}

/** Adds namespace, title and legend; Plot's own legends are HTML. */
function withLegend(svg: string, title: string, names: readonly string[]): string {
  let x = 8;
  const entries = names.map((name, i) => {
    const at = x;
    x += 40 + LETTER * name.length;
    return `<rect x="${at}" y="10" width="14" height="14" fill="${PARTS[i].fill}"/><text x="${at + 20}" y="21.5" text-anchor="start" fill="currentColor">${escapeMarkup(name)}</text>`;
  });
  return svg
    .replace(/^<svg(?: xmlns="[^"]*")? /, '<svg xmlns="http://www.w3.org/2000/svg" role="img" ')
    .replace(/^(<svg[^>]*>)/, `$1<title>${escapeMarkup(title)}</title><g>${entries.join('')}</g>`);
}

/** The chart as a document of its own, dark on white. */
export function onWhite(svg: string): string {
  return svg
    .replace(/^(<svg[^>]*>)/, '$1<rect width="100%" height="100%" fill="#ffffff"/>')
    .replaceAll('currentColor', '#222222');
}
