import { describe, expect, it } from 'vitest';
import type { Detection } from '../../networks/judge/detections.ts';
import { COLOURS, type Colour, type Kind } from '../../networks/judge/vocabulary.ts';
import type { Clause } from '../suites/clause.ts';
import { judgeClauses } from './clauses.ts';

/** A detection that is sure of its colour up to `sure`; x is the centre, all have the side `side`. */
function seen(
  kind: Kind,
  colour: Colour,
  x: number,
  { confidence = 0.9, sure = 0.8, side = 0.2 } = {},
): Detection {
  const rest = (1 - sure) / (COLOURS.length - 1);
  return {
    kind,
    colour,
    confidence,
    colours: COLOURS.map((one) => (one === colour ? sure : rest)),
    box: { x0: x - side / 2, x1: x + side / 2, y0: 0.5 - side / 2, y1: 0.5 + side / 2 },
    covered: 0,
    hollow: 0,
  };
}

const redCat: Clause = { claim: 'present', kind: 'cat', colour: 'red' };
const blueCat: Clause = { claim: 'present', kind: 'cat', colour: 'blue' };
const boat: Clause = { claim: 'present', kind: 'boat' };
const cat = seen('cat', 'red', 0.25);

describe('judgeClauses', () => {
  it('leaves moves to clips', () => {
    const move: Clause = { claim: 'move', subject: 0, move: 'left' };
    expect(judgeClauses([cat], [[redCat, move]])).toEqual(judgeClauses([cat], [[redCat]]));
  });

  it('scores a thing by the probability of its kind and of its colour', () => {
    const verdict = judgeClauses([cat], [[redCat]]);
    expect(verdict).toEqual({
      score: 0.9 * 0.8,
      correct: 1,
      thing: 1,
      colour: 1,
      relation: null,
      absence: null,
      count: null,
    });
    expect(judgeClauses([seen('boat', 'blue', 0.5)], [[boat]])).toMatchObject({
      score: 0.9,
      correct: 1,
      colour: null,
    });
  });

  it('tells a missing thing from one in another colour', () => {
    expect(judgeClauses([cat], [[blueCat]])).toMatchObject({ correct: 0, thing: 1, colour: 0 });
    expect(judgeClauses([], [[blueCat]])).toMatchObject({ score: 0, correct: 0, thing: 0, colour: 0 });
  });

  it('uses each detection for one thing only, and assigns them so that the score is highest', () => {
    expect(judgeClauses([cat], [[redCat, blueCat]])).toMatchObject({ correct: 0, thing: 0.5, colour: 0.5 });
    // The surest red cat is needed as the blue one: greedy assignment in the order of the prompt would fail.
    const both = [seen('cat', 'red', 0.2, { sure: 0.5 }), seen('cat', 'red', 0.8, { sure: 0.9 })];
    const { score } = judgeClauses(both, [[redCat, blueCat]]);
    expect(score).toBeCloseTo((0.9 * 0.9 + 0.9 * (0.5 / 7)) / 2, 12);
  });

  it('checks what must be absent, in its colour if there is one', () => {
    const noBoat: Clause = { claim: 'absent', kind: 'boat' };
    const noRedBoat: Clause = { claim: 'absent', kind: 'boat', colour: 'red' };
    expect(judgeClauses([cat], [[redCat, noBoat]])).toMatchObject({ correct: 1, absence: 1 });
    const withBoat = [cat, seen('boat', 'blue', 0.7)];
    expect(judgeClauses(withBoat, [[redCat, noBoat]])).toMatchObject({ correct: 0, absence: 0 });
    expect(judgeClauses(withBoat, [[redCat, noBoat]]).score).toBeCloseTo((0.72 + 0.1) / 2, 12);
    expect(judgeClauses(withBoat, [[redCat, noRedBoat]])).toMatchObject({ correct: 1, absence: 1 });
  });

  it('checks relations and sizes between the things of the reading', () => {
    const things = [cat, seen('boat', 'blue', 0.75, { side: 0.3 })];
    const relation = (subject: number, object: number): Clause => ({
      claim: 'relation',
      subject,
      relation: 'left of',
      object,
    });
    expect(judgeClauses(things, [[redCat, boat, relation(0, 1)]])).toMatchObject({ correct: 1, relation: 1 });
    expect(judgeClauses(things, [[redCat, boat, relation(1, 0)]])).toMatchObject({ correct: 0, relation: 0 });
    expect(judgeClauses(things, [[boat, redCat, relation(1, 0)]])).toMatchObject({ correct: 1, relation: 1 });
    const size: Clause = { claim: 'size', larger: 1, smaller: 0 };
    expect(judgeClauses(things, [[redCat, boat, size]])).toMatchObject({ correct: 1, relation: 1 });
    expect(judgeClauses(things, [[boat, redCat, size]])).toMatchObject({ correct: 0, relation: 0 });
    expect(judgeClauses([cat], [[redCat, boat, size]])).toMatchObject({ correct: 0, relation: 0 });
    expect(() => judgeClauses(things, [[redCat, relation(0, 1)]])).toThrow('has no thing 1');
  });

  it('checks that there are exactly so many of a kind and colour', () => {
    const cats = [0.2, 0.5, 0.8].map((x) => seen('cat', 'red', x, { sure: 1 }));
    const clause = (number: number, colour?: Colour): Clause => ({
      claim: 'count',
      kind: 'cat',
      ...(colour === undefined ? {} : { colour }),
      number,
    });
    expect(judgeClauses(cats, [[clause(3, 'red')]])).toMatchObject({ correct: 1, count: 1, thing: null });
    expect(judgeClauses(cats, [[clause(2, 'red')]])).toMatchObject({ correct: 0, count: 0 });
    expect(judgeClauses(cats, [[clause(4, 'red')]])).toMatchObject({ score: 0, correct: 0 });
    expect(judgeClauses(cats, [[clause(0, 'blue')]])).toMatchObject({ correct: 1, score: 1 });
    // Others of its kind in another colour do not count, unless the clause names none.
    const mixed = [...cats, seen('cat', 'blue', 0.9, { sure: 1 }), seen('boat', 'red', 0.1)];
    expect(judgeClauses(mixed, [[clause(3, 'red')]]).correct).toBe(1);
    expect(judgeClauses(mixed, [[clause(4)]]).correct).toBe(1);
    expect(judgeClauses(mixed, [[clause(3, 'red'), clause(1, 'blue'), clause(3)]])).toMatchObject({
      correct: 0,
      count: 2 / 3,
    });
  });

  it('scores a number by the probability of exactly so many', () => {
    const cats = [0.9, 0.8, 0.6].map((confidence) => seen('cat', 'red', 0.5, { confidence, sure: 1 }));
    const chance = (number: number) =>
      judgeClauses(cats, [[{ claim: 'count', kind: 'cat', colour: 'red', number }]]).score;
    expect(chance(0)).toBeCloseTo(0.1 * 0.2 * 0.4, 12);
    expect(chance(1)).toBeCloseTo(0.9 * 0.2 * 0.4 + 0.1 * 0.8 * 0.4 + 0.1 * 0.2 * 0.6, 12);
    expect(chance(3)).toBeCloseTo(0.9 * 0.8 * 0.6, 12);
    expect(chance(0) + chance(1) + chance(2) + chance(3)).toBeCloseTo(1, 12);
    expect(chance(4)).toBe(0);
  });

  it('accepts each reading of an ambiguous prompt', () => {
    const redBoat: Clause = { claim: 'present', kind: 'boat', colour: 'red' };
    const readings = [
      [redCat, redBoat],
      [redCat, boat],
    ];
    expect(judgeClauses([cat, seen('boat', 'blue', 0.7)], readings)).toMatchObject({ correct: 1 });
    expect(judgeClauses([cat, seen('boat', 'red', 0.7)], readings)).toMatchObject({ correct: 1 });
    expect(judgeClauses([cat], readings)).toMatchObject({ correct: 0 });
    expect(() => judgeClauses([cat], [])).toThrow('at least one reading');
  });
});
