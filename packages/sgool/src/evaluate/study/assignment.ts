/** @file What one rater sees: which pairs, in which order, and which picture is on which side. */

import { shuffled } from '../shuffled.ts';
import { groupsBy, uniformFrom } from './order.ts';
import type { Study, StudyPair, StudyPicture } from './study.ts';

/** A pair as a rater sees it. */
export interface Step {
  readonly pair: StudyPair;
  readonly left: StudyPicture;
  readonly right: StudyPicture;
}

/** The methods of a pair as a key; checks are a group of their own. */
export const groupOf = ({ a, b, check }: StudyPair): string =>
  check === undefined ? JSON.stringify([a.label, b.label]) : 'check';

/**
 * The steps of a rater: the same whenever they are asked for, so that a rater who comes back goes on. Raters follow each other
 * through the pairs, so that every pair is shown about equally often. Within every pair of methods the sides are balanced: each
 * method is on the left in half of the steps, give or take one.
 *
 * @param rater id, and the number of raters before
 */
export function stepsFor(study: Study, rater: { readonly id: string; readonly number: number }): Step[] {
  const uniform = uniformFrom(`${study.id} ${study.seed} ${rater.id}`);
  const pairs = study.pairs.filter(({ check }) => check === undefined);
  const checks = study.pairs.filter(({ check }) => check !== undefined);
  const count = Math.min(study.perRater, pairs.length);
  const mine = Array.from({ length: count }, (_, i) => pairs[(rater.number * count + i) % pairs.length]);
  const steps = [...groupsBy([...mine, ...checks], groupOf).values()].flatMap((group) =>
    balanced(group.length, uniform).map((swapped, i): Step => {
      const pair = group[i];
      return swapped ? { pair, left: pair.b, right: pair.a } : { pair, left: pair.a, right: pair.b };
    }),
  );
  return shuffled(steps, uniform);
}

/** As many true as false, one more of either where the number is odd, in a random order. */
function balanced(count: number, uniform: () => number): boolean[] {
  const extra = uniform() < 0.5;
  return shuffled(
    Array.from({ length: count }, (_, i) => (i % 2 === 0) === extra),
    uniform,
  );
}
