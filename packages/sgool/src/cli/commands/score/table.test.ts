import { expect, it } from 'vitest';
import { SCORER_NAMES, SCORERS } from '../../../request/scorer-names.ts';
import { columnsOf, digitsOf, knownScores } from './table.ts';

it('shows the lowest frame with as many digits as the mean', () => {
  for (const name of SCORER_NAMES) {
    expect(digitsOf(name)).toBe(SCORERS[name].digits);
    expect(digitsOf(`${name}:least`)).toBe(SCORERS[name].digits);
  }
  expect(['clip_a', 'clip_b:least', 'mine.onnx', 'mine.onnx:least'].map(digitsOf)).toEqual([2, 2, 4, 4]);
});

it('has the columns that were asked for, in their order, and of these the ones that an image has', () => {
  const wanted = [{ scorer: { kind: 'clip' }, name: 'clip_a' }] as const;
  expect(columnsOf(wanted)).toEqual(['clip_a', 'clip_b']);
  expect(knownScores(['clip_b', 'clip_a', 'x'], { clip_a: [1, 2], x: [3] })).toEqual([
    ['clip_a', [1, 2]],
    ['x', [3]],
  ]);
});
