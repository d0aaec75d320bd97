/** @file Which combinations of things training never sees: a share of all pairs, chosen by a hash of their names. */

import type { Colour, Kind } from 'sgool/evaluate';
import { hashText } from './scene-generator.ts';

/** A thing as a prompt names it. */
export interface NamedThing {
  kind: Kind;
  colour: Colour;
}

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
