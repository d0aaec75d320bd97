import { describe, expect, it } from 'vitest';
import { type Detection, decodeMaps, type JudgeMaps, judgePrompt } from './detections.ts';
import { JUDGE_GRID, JUDGE_TRAITS } from './network.ts';
import { COLOURS, type Colour, KINDS, type Kind } from './vocabulary.ts';

const CELLS = JUDGE_GRID ** 2;

/** Maps in which nothing is anywhere. */
function emptyMaps(): JudgeMaps {
  return {
    heat: new Float32Array(CELLS * KINDS.length).fill(-8),
    colour: new Float32Array(CELLS * KINDS.length * COLOURS.length),
    traits: new Float32Array(CELLS * KINDS.length * JUDGE_TRAITS).fill(-8),
  };
}

/** Puts a thing into a cell; `heat` and the margin of the colour are logits. */
function put(
  maps: JudgeMaps,
  {
    kind,
    colour,
    row,
    column,
    heat = 4,
    sure = 10,
  }: {
    kind: Kind;
    colour: Colour;
    row: number;
    column: number;
    heat?: number;
    sure?: number;
  },
): void {
  const k = KINDS.indexOf(kind);
  const cell = row * JUDGE_GRID + column;
  const slot = cell * KINDS.length + k;
  maps.heat[k * CELLS + cell] = heat;
  maps.colour[slot * COLOURS.length + COLOURS.indexOf(colour)] = sure;
  maps.traits.set([0.5, 0.25, 0.25, 0.5, -6, -6], slot * JUDGE_TRAITS);
}

describe('decoding', () => {
  it('finds nothing in empty maps', () => {
    expect(decodeMaps(emptyMaps())).toEqual([]);
  });

  it('gives kind, colour, certainty and box of each peak, the most certain first', () => {
    const maps = emptyMaps();
    put(maps, { kind: 'boat', colour: 'blue', row: 4, column: 8, heat: 1 });
    put(maps, { kind: 'cat', colour: 'red', row: 10, column: 3, heat: 5 });
    const [cat, boat, ...others] = decodeMaps(maps);
    expect(others).toEqual([]);
    expect(cat).toMatchObject({ kind: 'cat', colour: 'red' });
    expect(cat.confidence).toBeCloseTo(1 / (1 + Math.exp(-5)), 5);
    expect(cat.colours.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    expect(boat).toMatchObject({ kind: 'boat', colour: 'blue' });
    // Cell 8, 4 with its offset is the point (8.5, 4.25) of 16; the box is 0.25 wide and 0.5 high around it.
    expect(boat.box.x0).toBeCloseTo(8.5 / 16 - 0.125, 6);
    expect(boat.box.x1).toBeCloseTo(8.5 / 16 + 0.125, 6);
    expect(boat.box.y0).toBeCloseTo(4.25 / 16 - 0.25, 6);
    expect(boat.box.y1).toBeCloseTo(4.25 / 16 + 0.25, 6);
  });

  it('takes a plateau and a slope as one thing, and neighbours of another kind as their own', () => {
    const maps = emptyMaps();
    put(maps, { kind: 'star', colour: 'pink', row: 0, column: 0, heat: 3 });
    put(maps, { kind: 'star', colour: 'pink', row: 0, column: 1, heat: 3 });
    put(maps, { kind: 'star', colour: 'pink', row: 1, column: 1, heat: 2 });
    put(maps, { kind: 'cup', colour: 'white', row: 0, column: 1, heat: 3 });
    expect(decodeMaps(maps).map(({ kind }) => kind)).toEqual(['star', 'cup']);
  });

  it('leaves out what is too uncertain', () => {
    const maps = emptyMaps();
    put(maps, { kind: 'car', colour: 'green', row: 7, column: 7, heat: 0 });
    expect(decodeMaps(maps, 0.4)).toHaveLength(1);
    expect(decodeMaps(maps, 0.6)).toHaveLength(0);
  });
});

describe('the verdict on a prompt', () => {
  const detection = (kind: Kind, colour: Colour, x: number, confidence = 0.9): Detection => ({
    kind,
    colour,
    confidence,
    colours: COLOURS.map((name) => (name === colour ? 0.8 : 0.2 / (COLOURS.length - 1))),
    box: { x0: x - 0.1, y0: 0.4, x1: x + 0.1, y1: 0.6 },
    covered: 0,
    hollow: 0,
  });
  const things = [
    { kind: 'cat', colour: 'red' },
    { kind: 'boat', colour: 'blue' },
  ] as const;

  it('is right when everything is there in its colour', () => {
    const verdict = judgePrompt([detection('boat', 'blue', 0.7), detection('cat', 'red', 0.3)], { things });
    expect(verdict.correct).toBe(true);
    expect(verdict.score).toBeCloseTo(0.9 * 0.8, 6);
  });

  it('is half right when a colour went to the other thing', () => {
    const verdict = judgePrompt([detection('cat', 'blue', 0.3), detection('boat', 'blue', 0.7)], { things });
    expect(verdict).toMatchObject({ correct: false, things: 0.5 });
    expect(verdict.score).toBeGreaterThan(0.36);
    expect(verdict.score).toBeLessThan(0.5);
  });

  it('counts nothing for a thing that is missing', () => {
    expect(judgePrompt([], { things })).toEqual({ score: 0, correct: false, things: 0 });
  });

  it('does not let one thing answer for two', () => {
    const twins = { things: [things[0], things[0]] };
    expect(judgePrompt([detection('cat', 'red', 0.3)], twins)).toMatchObject({ correct: false, things: 0.5 });
    const two = [detection('cat', 'red', 0.3), detection('cat', 'red', 0.7)];
    expect(judgePrompt(two, twins).correct).toBe(true);
  });

  it('asks for exact numbers where the prompt has some', () => {
    const detections = [detection('cat', 'red', 0.3), detection('cat', 'red', 0.7)];
    const wanted = (count: number, colour: Colour = 'red') =>
      judgePrompt(detections, { things: [things[0]], counts: [{ kind: 'cat', colour, count }] });
    expect(wanted(2)).toMatchObject({ correct: true, things: 1 });
    expect(wanted(1).correct).toBe(false);
    expect(wanted(2, 'blue').correct).toBe(false);
  });

  it.each([
    ['left of', true],
    ['right of', false],
    ['above', false],
    ['in front of', false],
    ['inside', false],
  ] as const)('asks for the relation %s', (relation, correct) => {
    const detections = [detection('cat', 'red', 0.3), detection('boat', 'blue', 0.7)];
    const wanted = { things, relation: { subject: 0, relation, object: 1 } };
    expect(judgePrompt(detections, wanted)).toMatchObject({ correct, things: 1 });
  });
});
