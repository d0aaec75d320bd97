/** @file How a thing moves over the frames of a clip, read from where it is in each of them. */

import { mean, sum } from '../../numbers.ts';

/**
 * Every way to move, over a clip from its first frame to its last. `left`, `right`, `up` and `down`: at a constant speed. `bounce`: two hops.
 * `grow` and `shrink`: in place. `orbit`: once around a circle, clockwise. `still`: not at all.
 */
export const MOVES = ['left', 'right', 'up', 'down', 'bounce', 'grow', 'shrink', 'orbit', 'still'] as const;
/** A way to move. */
export type MoveKind = (typeof MOVES)[number];

/** Where a thing is in one frame: its centre and longer side, as shares of the image's side; x to the right, y down. */
export interface TrackPoint {
  readonly x: number;
  readonly y: number;
  readonly side: number;
}

/** Height of a bouncing thing over its lowest place, 0..1, at time 0..1: two hops of a parabola. */
export function hop(time: number): number {
  const u = 2 * time - Math.floor(2 * time);
  return 4 * u * (1 - u);
}

/** Where a thing is in each frame; undefined where it is not seen. */
export type Track = readonly (TrackPoint | undefined)[];

/** Departures from a mean: of x, of y and of the logarithm of the side, one number for each frame where the thing is seen. */
type Departures = readonly (readonly number[])[];

/** Fewest frames in which a thing must be seen for its move to be known, as a share of all. */
const SEEN = 0.7;

/** What the logarithm of the side counts against a shift: a thing that grows by half moves as far as one that drifts by a fifth of the image. */
const SIZE_WEIGHT = 0.5;

/** Root of the mean squared departure below which a thing stands still; a drift by a fifth of the image has 0.065. */
const STILL = 0.025;

/** Least share of the squared departures that a move must explain. */
const EXPLAINED = 0.6;

const centred = (rows: Departures): Departures =>
  rows.map((row) => {
    const middle = mean(row);
    return row.map((value) => value - middle);
  });
const product = (a: Departures, b: Departures) =>
  sum(a.map((row, i) => sum(row.map((value, f) => value * b[i][f]))));

/**
 * The ways of x, y and size that a move is made of, at the given frames. One way has a direction; an orbit has two, a quarter of a turn apart,
 * since its start is free.
 */
function waysOf(move: Exclude<MoveKind, 'still'>, seen: readonly number[], frames: number): Departures[] {
  const over = (f: (time: number) => number) => seen.map((frame) => f(frame / (frames - 1)));
  const nothing = over(() => 0);
  const there = over((time) => time);
  const back = over((time) => -time);
  switch (move) {
    case 'left':
      return [[back, nothing, nothing]];
    case 'right':
      return [[there, nothing, nothing]];
    case 'up':
      return [[nothing, back, nothing]];
    case 'down':
      return [[nothing, there, nothing]];
    case 'bounce':
      return [[nothing, over((time) => -hop(time)), nothing]];
    case 'grow':
      return [[nothing, nothing, there]];
    case 'shrink':
      return [[nothing, nothing, back]];
    case 'orbit': {
      const turn = seen.map((frame) => (2 * Math.PI * frame) / frames);
      const [c, s] = [turn.map(Math.cos), turn.map(Math.sin)];
      return [
        [c, s, nothing],
        [s.map((value) => -value), c, nothing],
      ];
    }
  }
}

/** How much of the squared departures a move explains. */
function explainedBy(ways: readonly Departures[], departures: Departures): number {
  const parts = ways.map((way) => {
    const form = centred(way);
    return product(departures, form) / Math.sqrt(product(form, form));
  });
  // What goes against a direction is not explained by it.
  return ways.length === 1 ? Math.max(0, parts[0]) ** 2 : sum(parts.map((part) => part * part));
}

/**
 * The move that a track shows: of all ways to move, the one that explains most of its departures from its mean place and size.
 *
 * @returns undefined where the thing moves in none of these ways, or is seen in too few frames to tell
 */
export function moveOf(track: Track): MoveKind | undefined {
  const seen = track.flatMap((point, frame) => (point ? [frame] : []));
  if (seen.length < Math.max(3, SEEN * track.length)) return undefined;
  const points = track.filter((point) => point !== undefined);
  const departures = centred([
    points.map(({ x }) => x),
    points.map(({ y }) => y),
    points.map(({ side }) => SIZE_WEIGHT * Math.log(side)),
  ]);
  const total = product(departures, departures);
  if (Math.sqrt(total / seen.length) < STILL) return 'still';
  let best: MoveKind | undefined;
  let most = EXPLAINED * total;
  for (const move of MOVES) {
    if (move === 'still') continue;
    const explained = explainedBy(waysOf(move, seen, track.length), departures);
    if (explained > most) [best, most] = [move, explained];
  }
  return best;
}
