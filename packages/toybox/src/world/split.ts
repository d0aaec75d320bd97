/** @file Which combinations training never sees: a share of all pairs of things, and of all groups, chosen by a hash of their names. */

import { groupsOf, type NamedThing } from './groups.ts';
import { hashText } from './scene-generator.ts';

/** Share of pairs that is held out. */
export const HELD_OUT_SHARE = 0.15;

const memory = new Map<string, boolean>();

/**
 * Whether a scene with these things is kept out of training: true as soon as any two of them, in either order, make a
 * held-out pair. Pairs of one kind or of one colour are never held out, nor are single things.
 */
export function isHeldOut(things: readonly NamedThing[]): boolean {
  for (let i = 0; i < things.length; i++) {
    for (let j = i + 1; j < things.length; j++) if (pairIsHeldOut(things[i], things[j])) return true;
  }
  return false;
}

function pairIsHeldOut(a: NamedThing, b: NamedThing): boolean {
  if (a.kind === b.kind || a.colour === b.colour) return false;
  const first = `${a.colour} ${a.kind}`;
  const second = `${b.colour} ${b.kind}`;
  const key = first < second ? `${first}+${second}` : `${second}+${first}`;
  let held = memory.get(key);
  if (held === undefined) {
    held = hashText(key) < HELD_OUT_SHARE * 4294967296;
    memory.set(key, held);
  }
  return held;
}

/** Share of the groups of two, three or four equal things that is held out. */
export const HELD_OUT_GROUPS = 0.25;

/**
 * Whether groups of this size of this kind and colour are kept out of the trainings of toybox-flow: its world shows three red cats, but
 * not three blue ones. A thing alone is never held out.
 */
export function groupIsHeldOut({ kind, colour }: NamedThing, count: number): boolean {
  return count > 1 && hashText(`${count} ${colour} ${kind}`) < HELD_OUT_GROUPS * 4294967296;
}

/** Whether a scene with these things is kept out of the trainings of toybox-flow: for a pair of them, or for how many there are of one. */
export function isHeldOutOfFlow(things: readonly NamedThing[]): boolean {
  return isHeldOut(things) || groupsOf(things).some((group) => groupIsHeldOut(group, group.count));
}
