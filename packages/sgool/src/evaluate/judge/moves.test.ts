import { expect, it } from 'vitest';
import type { Detection } from '../../networks/judge/detections.ts';
import { COLOURS, type Colour, type Kind } from '../../networks/judge/vocabulary.ts';
import type { Clause } from '../suites/clause.ts';
import { judgeMoves } from './moves.ts';

function seen(kind: Kind, colour: Colour, x: number, y = 0.5): Detection {
  const box = { x0: x - 0.1, x1: x + 0.1, y0: y - 0.1, y1: y + 0.1 };
  const colours = COLOURS.map((one) => Number(one === colour));
  return { kind, colour, confidence: 0.9, colours, box, covered: 0, hollow: 0 };
}

/** A red cat that drifts to the left above a blue cat that stands still. */
const frames = Array.from({ length: 8 }, (_, f) => [
  seen('cat', 'red', 0.7 - 0.05 * f, 0.3),
  seen('cat', 'blue', 0.5, 0.8),
]);
const [redCat, blueCat, anyBoat]: Clause[] = [
  { claim: 'present', kind: 'cat', colour: 'red' },
  { claim: 'present', kind: 'cat', colour: 'blue' },
  { claim: 'present', kind: 'boat' },
];
const move = (subject: number, way: 'left' | 'right' | 'still'): Clause => ({
  claim: 'move',
  subject,
  move: way,
});

it('is right where all things of a reading move as it says', () => {
  expect(judgeMoves(frames, [[redCat, blueCat, move(0, 'left'), move(1, 'still')]])).toBe(1);
  expect(judgeMoves(frames, [[redCat, blueCat, move(0, 'left'), move(1, 'left')]])).toBe(0);
  expect(judgeMoves(frames, [[redCat, move(0, 'right')]])).toBe(0);
  expect(
    judgeMoves(frames, [
      [redCat, move(0, 'right')],
      [redCat, move(0, 'left')],
    ]),
  ).toBe(1);
});

it('counts things among those that are there, whatever stands between them', () => {
  const absent: Clause = { claim: 'absent', kind: 'boat' };
  expect(judgeMoves(frames, [[absent, blueCat, redCat, move(1, 'left')]])).toBe(1);
  expect(judgeMoves(frames, [[{ claim: 'present', kind: 'cat' }, move(0, 'left')]])).toBe(1);
  expect(judgeMoves(frames, [[anyBoat, move(0, 'still')]])).toBe(0);
});

it('says nothing of prompts without moves, and refuses the move of nothing', () => {
  expect(judgeMoves(frames, [[redCat]])).toBeNull();
  expect(judgeMoves(frames, [])).toBeNull();
  expect(() => judgeMoves(frames, [[redCat, move(2, 'left')]])).toThrow(
    new RangeError('judgeMoves: the reading has no thing 2'),
  );
});
