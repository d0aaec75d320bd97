/** @file Whether the things of a clip move as a prompt says, by what the judge detects in its frames. */
import type { Detection } from '../../networks/judge/detections.ts';
import { trackThing } from '../../networks/judge/judge-clip.ts';
import { moveOf } from '../../networks/judge/moves.ts';
import type { Clause } from '../suites/clause.ts';

/**
 * Checks the moves of every reading of a prompt. Each thing is followed by its kind and colour; whether it is there in every frame is
 * for the other clauses to say.
 *
 * @param frames the detections of each frame, in order
 * @returns 1 if all moves of one reading hold, else 0; null where the prompt says nothing of moves
 * @throws RangeError for the move of a thing that the reading does not have
 */
export function judgeMoves(
  frames: readonly (readonly Detection[])[],
  readings: readonly (readonly Clause[])[],
): number | null {
  const moving = readings.filter((clauses) => clauses.some(({ claim }) => claim === 'move'));
  if (moving.length === 0) return null;
  return Number(moving.some((clauses) => movesHold(frames, clauses)));
}

function movesHold(frames: readonly (readonly Detection[])[], clauses: readonly Clause[]): boolean {
  const things = clauses.filter((clause) => clause.claim === 'present');
  return clauses.every((clause) => {
    if (clause.claim !== 'move') return true;
    const thing = things[clause.subject];
    if (thing === undefined) throw new RangeError(`judgeMoves: the reading has no thing ${clause.subject}`);
    return moveOf(trackThing(frames, thing)) === clause.move;
  });
}
