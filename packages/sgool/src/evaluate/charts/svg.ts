/** @file The pieces of a chart as SVG text. */
import { escapeMarkup } from '../text.ts';

export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** Height of the title and the line below it; a chart draws below. */
export const HEADER = { title: 30, subtitle: 48 } as const;

/** One element. Numbers are rounded to a tenth of a pixel; attributes that are undefined are left out. */
export function element(name: string, attributes: Attributes, content = ''): string {
  const words = Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : `${key}="${typeof value === 'number' ? Number(value.toFixed(1)) : value}"`,
  );
  return content === ''
    ? `<${[name, ...words].join(' ')}/>`
    : `<${[name, ...words].join(' ')}>${content}</${name}>`;
}

/** Text with its baseline at `y`. */
export function textAt(x: number, y: number, text: string, attributes: Attributes = {}): string {
  return element('text', { x, y, ...attributes }, escapeMarkup(text));
}

export function lineBetween(
  [x1, y1]: readonly [number, number],
  [x2, y2]: readonly [number, number],
  attributes: Attributes,
): string {
  return element('line', { x1, y1, x2, y2, ...attributes });
}

/** A chart with its title on a white ground. The title is also what a screen reader says. */
export function svgDocument(
  { title, subtitle, width, height }: { title: string; subtitle?: string; width: number; height: number },
  content: readonly string[],
): string {
  const frame = { xmlns: 'http://www.w3.org/2000/svg', width, height, viewBox: `0 0 ${width} ${height}` };
  const parts = [
    element('title', {}, escapeMarkup(title)),
    element('rect', { width, height, fill: 'white' }),
    textAt(14, 22, title, { 'font-size': 15, 'font-weight': 'bold', fill: '#222' }),
    ...(subtitle === undefined ? [] : [textAt(14, 40, subtitle, { 'font-size': 11, fill: '#555' })]),
    ...content,
  ];
  return `${element('svg', { ...frame, 'font-family': 'sans-serif' }, `\n${parts.join('\n')}\n`)}\n`;
}
