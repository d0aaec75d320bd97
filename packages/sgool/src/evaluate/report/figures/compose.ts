/** @file Figures of a report: drawn by Observable Plot without a browser, legible at the width of a phone, light and dark. */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { printable } from '../../text.ts';

/** A figure as text. */
export interface Figure {
  /** Of its files, without the ending. */
  readonly name: string;
  readonly title: string;
  /** How to read it, in a sentence or two; also what a screen reader says. */
  readonly caption: string;
  /** An SVG document that takes the colour of the text around it. */
  readonly svg: string;
}

/** Width of every figure in pixels: that of a phone, so that its letters stay as large as they are drawn. */
export const WIDTH = 360;
/** Sizes of letters in pixels. */
export const FONT = { title: 14, text: 12, small: 11 } as const;
/** Opacity of the lines of the grid. */
export const GRID = 0.16;
/** Wider than most letters of a sans-serif font, as a share of its size. */
const LETTER = 0.6;
const SVG = 'http://www.w3.org/2000/svg';

const { document } = parseHTML('<!doctype html><html><body></body></html>');

/** A plot as wide as a figure, with letters of one size. The caller gives height, margins and marks. */
export function plot(options: Plot.PlotOptions & { readonly height: number }): PlotElement {
  const drawn: unknown = Plot.plot({
    document: document as unknown as NonNullable<Plot.PlotOptions['document']>,
    width: WIDTH,
    className: 'chart',
    style: { fontSize: `${FONT.text}px` },
    ...options,
  });
  return { element: drawn as Element, height: options.height };
}

type Element = ReturnType<typeof document.createElement>;

export interface PlotElement {
  readonly element: Element;
  readonly height: number;
}

/** Width of a text in pixels, rather too wide than too narrow. */
export const widthOf = (text: string, size: number = FONT.text) => LETTER * size * [...text].length;

/** A text that is at most this many pixels wide; what is cut off is shown as `…`. */
export function shortened(text: string, width: number, size: number = FONT.text): string {
  const shown = printable(text);
  const letters = [...shown];
  const most = Math.max(1, Math.floor(width / (LETTER * size)));
  if (letters.length <= most) return shown;
  return `${letters
    .slice(0, most - 1)
    .join('')
    .trimEnd()}…`;
}

/** Lines of whole words. */
export function wrapped(text: string, width: number, size: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const longer = lines.length === 0 ? word : `${lines[lines.length - 1]} ${word}`;
    if (lines.length > 0 && widthOf(longer, size) <= width) lines[lines.length - 1] = longer;
    else lines.push(shortened(word, width, size));
  }
  return lines;
}

/** One figure: a title, and plots below each other, each under a line of its own where it has one. */
export function compose(
  { name, title, caption }: Omit<Figure, 'svg'>,
  panels: readonly (PlotElement & { readonly heading?: string })[],
): Figure {
  const svg = document.createElementNS(SVG, 'svg');
  let y = 4;
  const lines: { text: string; size: number; y: number; isBold: boolean }[] = [];
  const write = (text: string, size: number, isBold: boolean) => {
    for (const line of wrapped(printable(text), WIDTH - 8, size)) {
      y += Math.round(1.3 * size);
      lines.push({ text: line, size, y, isBold });
    }
  };
  write(title, FONT.title, true);
  y += 6;
  for (const { element, height, heading } of panels) {
    if (heading !== undefined) {
      y += 4;
      write(heading, FONT.text, false);
      y += 4;
    }
    element.querySelector('style')?.remove();
    element.removeAttribute('class');
    element.setAttribute('y', String(y));
    y += height;
    svg.append(element);
  }
  for (const line of lines) {
    const text = document.createElementNS(SVG, 'text');
    text.setAttribute('x', '4');
    text.setAttribute('y', String(line.y));
    text.setAttribute('font-size', String(line.size));
    if (line.isBold) text.setAttribute('font-weight', '600');
    text.textContent = line.text;
    svg.append(text);
  }
  const label = document.createElementNS(SVG, 'title');
  label.textContent = printable(`${title}. ${caption}`);
  svg.prepend(label);
  const attributes: Record<string, string> = {
    xmlns: SVG,
    width: String(WIDTH),
    height: String(Math.ceil(y)),
    viewBox: `0 0 ${WIDTH} ${Math.ceil(y)}`,
    role: 'img',
    fill: 'currentColor',
    'font-family': 'system-ui, sans-serif',
  };
  for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value);
  return { name, title, caption, svg: svg.outerHTML };
}

/** The figure as a file of its own: dark letters on a light ground, or the other way round where the reader wants that. */
export function standalone({ svg }: Figure): string {
  const style =
    '<style>svg{color:#1c1e21;background:#fff}@media (prefers-color-scheme:dark){svg{color:#e8eaed;background:#15171a}}</style>';
  return `${svg.replace('>', `>${style}`)}\n`;
}
