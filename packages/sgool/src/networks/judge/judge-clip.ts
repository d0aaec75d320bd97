/** @file What a clip shows: the judge's detections of every frame, linked to tracks. */

import { mean } from '../../numbers.ts';
import { type Detection, judgePrompt, type Verdict } from './detections.ts';
import { type MoveKind, moveOf, type Track, type TrackPoint } from './moves.ts';
import { COLOURS, type Colour, type Kind } from './vocabulary.ts';

/** A thing of a prompt, and how it moves if the prompt says so. */
export interface WantedMove {
  readonly kind: Kind;
  readonly colour: Colour;
  readonly move?: MoveKind;
}

/** How well a clip matches a prompt. */
export interface ClipVerdict {
  /** What the judge says of each frame. */
  readonly frames: readonly Verdict[];
  /** Share of the frames in which every thing is detected in its colour. */
  readonly correct: number;
  /** Where each thing of the prompt is. */
  readonly tracks: readonly Track[];
  /** How each moves, of {@link MoveKind}; undefined where that cannot be told. */
  readonly moves: readonly (MoveKind | undefined)[];
  /** Whether every thing whose move the prompt says moves so. */
  readonly moveRight: boolean;
}

/** Distance between two frames at which a detection counts half as much as one that has stayed. */
const FAR = 0.25;

const pointOf = ({ box: { x0, y0, x1, y1 } }: Detection): TrackPoint => ({
  x: (x0 + x1) / 2,
  y: (y0 + y1) / 2,
  side: Math.max(x1 - x0, y1 - y0),
});

/**
 * Follows one thing from the frame where it is surest, forwards and backwards: in each frame the detection of its kind with the largest
 * P(kind) P(colour), less the farther it is from where the thing was seen last; without a colour by its P(kind).
 */
export function trackThing(
  frames: readonly (readonly Detection[])[],
  { kind, colour }: { readonly kind: Kind; readonly colour?: Colour | undefined },
): Track {
  const colourOf = ({ colours }: Detection) => (colour === undefined ? 1 : colours[COLOURS.indexOf(colour)]);
  const candidates = frames.map((detections) =>
    detections
      .filter((d) => d.kind === kind)
      .map((d) => ({ point: pointOf(d), score: d.confidence * colourOf(d) })),
  );
  const surest = candidates.map((found) => Math.max(0, ...found.map(({ score }) => score)));
  const start = surest.indexOf(Math.max(...surest));
  const track: (TrackPoint | undefined)[] = frames.map(() => undefined);
  for (const step of [1, -1]) {
    let last: TrackPoint | undefined;
    for (let f = start; f >= 0 && f < frames.length; f += step) {
      const near = ({ x, y }: TrackPoint) =>
        last === undefined ? 1 : 0.5 ** (((x - last.x) ** 2 + (y - last.y) ** 2) / FAR ** 2);
      const worth = candidates[f].map(({ point, score }) => score * near(point));
      const best = candidates[f][worth.indexOf(Math.max(...worth))];
      if (best === undefined) continue;
      last = best.point;
      track[f] = last;
    }
  }
  return track;
}

/**
 * Scores the detections of a clip's frames against the things of a prompt and their moves.
 *
 * @param frames the detections of each frame, in order
 */
export function judgeClip(
  frames: readonly (readonly Detection[])[],
  things: readonly WantedMove[],
): ClipVerdict {
  const verdicts = frames.map((detections) => judgePrompt(detections, { things }));
  const tracks = things.map((thing) => trackThing(frames, thing));
  const moves = tracks.map(moveOf);
  return {
    frames: verdicts,
    correct: mean(verdicts.map(({ correct }) => Number(correct))),
    tracks,
    moves,
    moveRight: things.every(({ move }, i) => move === undefined || moves[i] === move),
  };
}
