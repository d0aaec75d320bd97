/** @file How well an image fulfils the clauses of a prompt, by what the judge detects in it. */

import { type Detection, detectedRelation } from '../../networks/judge/detections.ts';
import { COLOURS } from '../../networks/judge/vocabulary.ts';
import { mean } from '../../numbers.ts';
import type { Clause } from '../suites/clause.ts';

type Present = Extract<Clause, { claim: 'present' }>;
/** What an image can show. */
type ImageClause = Exclude<Clause, { claim: 'move' }>;

/** What the judge says of an image. All values are in [0, 1]; a part is null where the prompt has no clause of its kind. */
export interface ClauseVerdict {
  /** Mean over the clauses of the reading that fits best: for a thing P(kind) · P(colour), for a number the probability of exactly so many. */
  readonly score: number;
  /** 1 if every clause of one reading is fulfilled, else 0. */
  readonly correct: number;
  /** Share of the things that are there, whatever their colour. */
  readonly thing: number | null;
  /** Share of the things with a colour that are there in it. */
  readonly colour: number | null;
  /** Share of the relations and comparisons that hold. */
  readonly relation: number | null;
  /** Share of the things that must not be there, and are not. */
  readonly absence: number | null;
  /** Share of the numbers of things that are right. */
  readonly count: number | null;
}

interface Checked {
  readonly clause: ImageClause;
  /** In [0, 1]. */
  readonly value: number;
  /** Whether its thing is detected. */
  readonly isThere: boolean;
  readonly holds: boolean;
}

/**
 * Checks every reading of a prompt and takes the one that fits best.
 *
 * Each detection stands for at most one thing of a reading; among all ways to assign them, the one with the highest score is
 * taken, so that of two red cats the nearer one to the prompt counts. How things move is no claim about an image, and does not count.
 *
 * @throws RangeError for no reading, or a relation between things that the reading does not have
 */
export function judgeClauses(
  detections: readonly Detection[],
  readings: readonly (readonly Clause[])[],
): ClauseVerdict {
  if (readings.length === 0) throw new RangeError('judgeClauses: needs at least one reading');
  const checked = readings.map((clauses) =>
    checkReading(
      detections,
      clauses.filter((clause) => clause.claim !== 'move'),
    ),
  );
  const best = checked.reduce((a, b) => (scoreOf(b) > scoreOf(a) ? b : a));
  return {
    score: scoreOf(best),
    correct: Number(checked.some((clauses) => clauses.every(({ holds }) => holds))),
    thing: share(best, 'thing'),
    colour: share(best, 'colour'),
    relation: share(best, 'relation'),
    absence: share(best, 'absence'),
    count: share(best, 'count'),
  };
}

const scoreOf = (clauses: readonly Checked[]) => mean(clauses.map(({ value }) => value));

type Part = 'thing' | 'colour' | 'relation' | 'absence' | 'count';

function share(clauses: readonly Checked[], part: Part): number | null {
  const values = clauses.flatMap((checked) => counted(checked, part));
  return values.length === 0 ? null : mean(values);
}

/** What a clause counts for a part: nothing if it says nothing of it. A thing is there when it is detected in any colour. */
function counted({ clause, isThere, holds }: Checked, part: Part): number[] {
  switch (clause.claim) {
    case 'present':
      if (part === 'thing') return [Number(isThere)];
      return part === 'colour' && clause.colour !== undefined ? [Number(holds)] : [];
    case 'absent':
      return part === 'absence' ? [Number(holds)] : [];
    case 'count':
      return part === 'count' ? [Number(holds)] : [];
    case 'relation':
    case 'size':
      return part === 'relation' ? [Number(holds)] : [];
  }
}

function checkReading(detections: readonly Detection[], clauses: readonly ImageClause[]): Checked[] {
  const things = clauses.filter((clause) => clause.claim === 'present');
  const assigned = assignThings(detections, things);
  const order = new Map<ImageClause, Detection | undefined>(things.map((thing, i) => [thing, assigned[i]]));
  return clauses.map((clause) => checkClause(clause, detections, assigned, order.get(clause)));
}

/** @param own the detection that stands for the thing of a `present` clause */
function checkClause(
  clause: ImageClause,
  detections: readonly Detection[],
  assigned: readonly (Detection | undefined)[],
  own: Detection | undefined,
): Checked {
  const thingAt = (index: number) => {
    if (index < assigned.length) return assigned[index];
    throw new RangeError(`judgeClauses: the reading has no thing ${index}`);
  };
  const between = (first: number, second: number, test: (a: Detection, b: Detection) => boolean): Checked => {
    const [a, b] = [thingAt(first), thingAt(second)];
    const holds = a !== undefined && b !== undefined && test(a, b);
    return { clause, value: Number(holds), isThere: holds, holds };
  };
  switch (clause.claim) {
    case 'present':
      return {
        clause,
        value: presence(own, clause),
        isThere: own !== undefined,
        holds: isRight(own, clause),
      };
    case 'absent': {
      const isThere = detections.some((one) => isRight(one, clause));
      const value = 1 - Math.max(0, ...detections.map((one) => presence(one, clause)));
      return { clause, value, isThere, holds: !isThere };
    }
    case 'count': {
      const found = detections.filter((one) => isRight(one, clause)).length;
      const value = chanceOf(
        clause.number,
        detections.map((one) => presence(one, clause)),
      );
      return { clause, value, isThere: found > 0, holds: found === clause.number };
    }
    case 'relation':
      return between(clause.subject, clause.object, (a, b) => detectedRelation(a, clause.relation, b));
    case 'size':
      return between(clause.larger, clause.smaller, (a, b) => area(a) > area(b));
  }
}

const area = ({ box }: Detection) => (box.x1 - box.x0) * (box.y1 - box.y0);

type Described = Pick<Present, 'kind' | 'colour'>;

/** P(kind) · P(colour) of a detection, 0 if it is of another kind or there is none. */
function presence(detection: Detection | undefined, { kind, colour }: Described): number {
  if (detection === undefined || detection.kind !== kind) return 0;
  return detection.confidence * (colour === undefined ? 1 : detection.colours[COLOURS.indexOf(colour)]);
}

function isRight(detection: Detection | undefined, { kind, colour }: Described): boolean {
  return detection?.kind === kind && (colour === undefined || detection.colour === colour);
}

/** The probability that exactly `number` of independent events happen, of which each has a probability of its own (Poisson's binomial). */
function chanceOf(number: number, probabilities: readonly number[]): number {
  const chances = [1];
  for (const p of probabilities) {
    chances.push(0);
    for (let n = chances.length - 1; n >= 0; n--)
      chances[n] = chances[n] * (1 - p) + (chances[n - 1] ?? 0) * p;
  }
  return chances[number] ?? 0;
}

/** The detection for each thing, or none: the assignment with the highest sum of presences. A prompt has a handful of things. */
function assignThings(
  detections: readonly Detection[],
  things: readonly Present[],
): (Detection | undefined)[] {
  const [first, ...rest] = things;
  if (first === undefined) return [];
  const candidates = [undefined, ...detections.filter(({ kind }) => kind === first.kind)];
  let best: (Detection | undefined)[] = [];
  let bestScore = Number.NEGATIVE_INFINITY;
  for (const candidate of candidates) {
    const others = assignThings(
      detections.filter((one) => one !== candidate),
      rest,
    );
    const assignment = [candidate, ...others];
    const score = assignment.reduce((total, one, i) => total + presence(one, things[i]), 0);
    if (score > bestScore) [best, bestScore] = [assignment, score];
  }
  return best;
}
