/** @file Colour and shape of each method, the same in all figures. No figure needs the colour: labels and shapes say the same. */

/** Each has a contrast of at least 3 to a white and to a near black ground. */
const COLOURS = [
  '#6f7782',
  '#2f7ed8',
  '#c7611b',
  '#1f9460',
  '#b8509b',
  '#8a7a1c',
  '#7d6bd6',
  '#22899a',
] as const;
const SYMBOLS = ['circle', 'square', 'triangle', 'diamond', 'star', 'cross'] as const;
/** The same as letters, for labels of points that lie close together. */
const GLYPHS = ['●', '■', '▲', '◆', '★', '✚'] as const;

export interface Series {
  readonly colour: string;
  readonly symbol: (typeof SYMBOLS)[number];
  readonly glyph: string;
}

/** Of the i-th method. */
export function seriesOf(i: number): Series {
  return {
    colour: COLOURS[i % COLOURS.length],
    symbol: SYMBOLS[i % SYMBOLS.length],
    glyph: GLYPHS[i % GLYPHS.length],
  };
}
