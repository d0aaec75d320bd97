import { describe, expect, it } from 'vitest';
import { alignTokens } from './token-alignment.ts';

/** Pieces of words; a word of several has its pieces joined by a dot: "gi.raffe". */
const pieces = (text: string) =>
  text
    .split(' ')
    .filter((word) => word !== '')
    .flatMap((word) => {
      const parts = word.split('.');
      return parts.map((part, i) => (i === parts.length - 1 ? `${part}</w>` : part));
    });

/** For each target token `source*share + ...`, or `own`. */
function shown(source: string, target: string, tokens = 10) {
  const { mapping, keep } = alignTokens(pieces(source), pieces(target), tokens);
  return Array.from({ length: tokens }, (_, to) => {
    const from = Array.from({ length: tokens }, (_, at) => mapping[at * tokens + to]);
    const parts = from.flatMap((share, at) =>
      share === 0 ? [] : [share === 1 ? `${at}` : `${at}*${share.toFixed(2)}`],
    );
    if (keep[to] === 1) parts.push('own');
    return parts.join('+');
  }).join(' ');
}

describe('tokens of a target', () => {
  it('follow those of the source word by word, where there are as many words', () => {
    expect(shown('a cat', 'a dog')).toBe('0 1 2 3 4 5 6 7 8 9');
    // Start, a, two pieces for one, sits, end; then padding.
    expect(shown('a cat sits', 'a gi.raffe sits')).toBe('0 1 2*0.50 2*0.50 3 4 6 7 8 9');
    expect(shown('a gi.raffe sits', 'a cat sits')).toBe('0 1 2+3 4 5 5 6 7 8 9');
  });

  it('follow equal ones where words were added or left out, and new ones keep their own', () => {
    expect(shown('a cat', 'a red cat')).toBe('0 1 own 2 3 5 6 7 8 9');
    expect(shown('a big red cat', 'a cat')).toBe('0 1 4 5 4 5 6 7 8 9');
    expect(shown('a cat', 'two birds in trees')).toBe('0 own own own own 3 6 7 8 9');
    expect(shown('', 'cat')).toBe('0 own 1 3 4 5 6 7 8 9');
  });

  it('fill the conditioning', () => {
    expect(shown('a cat', 'a red cat', 5)).toBe('0 1 own 2 3');
  });
});
