/** @file The outcome as a bar chart: ours as a share of the peer's, with the goal as a mark. */
import { amount } from './table.ts';
import type { JudgedLine } from './verdicts.ts';

const ROW = 26;
const TOP = 64;
const LABELS = 580;
const BARS = 380;
const FIGURES = 180;
const WIDTH = LABELS + BARS + FIGURES;
const COLOURS = { met: '#2e7d4f', 'NOT met': '#c0562b', 'results differ': '#7a1f1f', '': '#8fa1b8' } as const;

type Attributes = Readonly<Record<string, string | number>>;

const escaped = (text: string) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');

function element(name: string, attributes: Attributes, content = ''): string {
  const words = Object.entries(attributes).map(
    ([key, value]) => `${key}="${typeof value === 'number' ? Number(value.toFixed(1)) : value}"`,
  );
  return `<${[name, ...words].join(' ')}>${content}</${name}>`;
}

const label = (x: number, y: number, text: string, attributes: Attributes = {}) =>
  element('text', { x, y, fill: '#222', ...attributes }, escaped(text));

const upright = (x: number, from: number, to: number, attributes: Attributes) =>
  element('line', { x1: x, x2: x, y1: from, y2: to, ...attributes });

/** An SVG image of the rows that were measured beside a peer. */
export function chartSvg(lines: readonly JudgedLine[], subtitle: string): string {
  const rows = lines.flatMap((line) => {
    const { beside, ours, peer, ratio } = line;
    if (beside !== 'peer' || ours === undefined || peer === undefined || ratio === undefined) return [];
    return [{ ...line, ours, peer, ratio }];
  });
  const largest = Math.max(1, ...rows.map(({ ratio }) => ratio)) * 1.02;
  const x = (ratio: number) => LABELS + (BARS * ratio) / largest;
  const bottom = TOP + ROW * rows.length;

  const bars = rows.flatMap(({ name, peerName, ratio, goal, verdict, ours, peer, unit }, i) => {
    const y = TOP + ROW * i;
    const baseline = y + ROW / 2 + 4;
    const bar = { x: LABELS, y: y + 4, width: x(ratio) - LABELS, height: ROW - 8, fill: COLOURS[verdict] };
    const figures = `${ratio.toFixed(2)}  (${amount(ours, unit)} : ${amount(peer, unit)})`;
    return [
      label(LABELS - 10, baseline, `${name} : ${peerName}`, { 'text-anchor': 'end' }),
      element('rect', bar),
      ...(goal === undefined || verdict === ''
        ? []
        : [upright(x(goal), y + 1, y + ROW - 1, { stroke: '#111', 'stroke-width': 2 })]),
      label(LABELS + BARS + 8, baseline, figures),
    ];
  });
  const grid = [0, 0.25, 0.5, 0.75, 1, 1.5, 2, 3]
    .filter((ratio) => ratio <= largest)
    .flatMap((ratio) => [
      upright(x(ratio), TOP, bottom, ratio === 1 ? { stroke: '#555' } : { stroke: '#ddd' }),
      label(x(ratio), bottom + 16, `${ratio}`, { 'text-anchor': 'middle', fill: '#777' }),
    ]);
  const height = bottom + 30;
  const frame = { viewBox: `0 0 ${WIDTH} ${height}`, 'font-family': 'sans-serif', 'font-size': 12 };
  const title = 'sgool : PyTorch, less is better';
  const content = [
    element('title', {}, title),
    element('rect', { width: WIDTH, height, fill: 'white' }),
    label(14, 24, title, { 'font-size': 16, 'font-weight': 'bold' }),
    label(14, 44, subtitle, { fill: '#555' }),
    ...grid,
    ...bars,
  ];
  const svg = { xmlns: 'http://www.w3.org/2000/svg', width: WIDTH, height, ...frame };
  return `${element('svg', svg, `\n${content.join('\n')}\n`)}\n`;
}
