import { describe, expect, it } from 'vitest';
import type { Detection } from './detections.ts';
import { judgeClip, trackThing } from './judge-clip.ts';
import { hop, MOVES, type MoveKind, moveOf, type TrackPoint } from './moves.ts';
import { COLOURS, type Colour, type Kind } from './vocabulary.ts';

const FRAMES = 8;
const still: TrackPoint = { x: 0.5, y: 0.5, side: 0.4 };

/** A track with a change of its middle point for each time 0..1. */
const along = (change: (time: number) => Partial<TrackPoint>) =>
  Array.from({ length: FRAMES }, (_, f) => ({ ...still, ...change(f / (FRAMES - 1)) }));
const turning = (start: number, way: number) =>
  Array.from({ length: FRAMES }, (_, f) => {
    const angle = start + (way * 2 * Math.PI * f) / FRAMES;
    return { ...still, x: 0.5 + 0.1 * Math.cos(angle), y: 0.5 + 0.1 * Math.sin(angle) };
  });

const TRACKS: Readonly<Record<MoveKind, TrackPoint[]>> = {
  left: along((t) => ({ x: 0.6 - 0.2 * t })),
  right: along((t) => ({ x: 0.4 + 0.2 * t })),
  up: along((t) => ({ y: 0.6 - 0.2 * t })),
  down: along((t) => ({ y: 0.4 + 0.2 * t })),
  bounce: along((t) => ({ y: 0.6 - 0.16 * hop(t) })),
  grow: along((t) => ({ side: 0.3 + 0.15 * t })),
  shrink: along((t) => ({ side: 0.45 - 0.15 * t })),
  orbit: turning(2, 1),
  still: along(() => ({})),
};

describe('the move of a track', () => {
  it.each(MOVES)('%s', (move) => {
    expect(moveOf(TRACKS[move])).toBe(move);
    const shaken = TRACKS[move].map(({ x, y, side }, f) => ({
      x: x + 0.01 * Math.sin(7 * f),
      y: y + 0.01 * Math.cos(5 * f),
      side: side * (1 + 0.03 * Math.sin(3 * f)),
    }));
    expect(moveOf(shaken)).toBe(move);
    // Two frames of eight may lack the thing.
    expect(moveOf(shaken.map((point, f) => (f === 2 || f === 5 ? undefined : point)))).toBe(move);
  });

  it('is unknown for other ways to move, and where too few frames show the thing', () => {
    expect(moveOf(along((t) => ({ x: 0.4 + 0.2 * t, y: 0.4 + 0.2 * t })))).toBeUndefined();
    expect(moveOf(turning(0, -1))).toBeUndefined();
    expect(moveOf(along((t) => ({ y: 0.6 + 0.16 * hop(t) })))).toBeUndefined();
    expect(moveOf(TRACKS.left.map((point, f) => (f < 3 ? undefined : point)))).toBeUndefined();
    expect(moveOf(TRACKS.left.slice(0, 2))).toBeUndefined();
  });

  it('needs a shift that can be seen', () => {
    expect(moveOf(along((t) => ({ x: 0.06 * t })))).toBe('still');
    expect(moveOf(along((t) => ({ x: 0.1 * t })))).toBe('right');
    expect(moveOf(along((t) => ({ side: 0.4 + 0.04 * t })))).toBe('still');
    expect(moveOf(along((t) => ({ side: 0.4 + 0.1 * t })))).toBe('grow');
  });
});

/** A detection at a place. */
function seen(kind: Kind, colour: Colour, { x, y, side }: TrackPoint, confidence = 0.9): Detection {
  return {
    kind,
    colour,
    confidence,
    colours: COLOURS.map((name) => (name === colour ? 0.93 : 0.01)),
    box: { x0: x - side / 2, y0: y - side / 4, x1: x + side / 2, y1: y + side / 4 },
    covered: 0,
    hollow: 0,
  };
}

describe('a clip', () => {
  const cat = { kind: 'cat', colour: 'red' } as const;
  const boat = { kind: 'boat', colour: 'blue' } as const;
  const frames = TRACKS.left.map((point) => [
    seen('cat', 'red', point),
    seen('boat', 'blue', { ...still, y: 0.9 }),
  ]);

  it('is right where its things are there in their colours and move as wanted', () => {
    const verdict = judgeClip(frames, [
      { ...cat, move: 'left' },
      { ...boat, move: 'still' },
    ]);
    expect(verdict).toMatchObject({ correct: 1, moves: ['left', 'still'], moveRight: true });
    verdict.tracks[0].forEach((point, f) => {
      expect(point?.x).toBeCloseTo(TRACKS.left[f].x, 12);
      expect(point?.side).toBeCloseTo(0.4, 12);
    });
    expect(judgeClip(frames, [{ ...cat, move: 'right' }, boat]).moveRight).toBe(false);
    expect(judgeClip(frames, [cat, boat]).moveRight).toBe(true);
  });

  it('counts the frames in which a thing is missing', () => {
    const verdict = judgeClip(
      frames.map((found, f) => (f < 2 ? found.slice(1) : found)),
      [{ ...cat, move: 'left' }, boat],
    );
    expect(verdict.correct).toBe(0.75);
    expect(verdict.tracks[0].slice(0, 3).map((point) => point !== undefined)).toEqual([false, false, true]);
    expect(verdict.moveRight).toBe(true);
    expect(judgeClip([[], []], [cat])).toMatchObject({ correct: 0, moves: [undefined] });
  });

  it('is followed from frame to frame, not from one thing to another of its kind', () => {
    const twin = { ...still, x: 0.9 };
    const two = TRACKS.left.map((point, f) => [
      seen('cat', 'red', point, f === 0 ? 0.99 : 0.8),
      seen('cat', 'red', twin, 0.95),
    ]);
    expect(trackThing(two, cat).map((point) => point?.x)).toEqual(
      TRACKS.left.map(({ x }) => expect.closeTo(x, 12)),
    );
  });
});
