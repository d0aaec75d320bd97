/** @file Groups: the things of one kind and one colour, which a caption may count. */

import type { Colour, Kind, Relation } from 'sgool/evaluate';
import { type Layout, relationHolds } from './scene.ts';

/** A thing as a prompt names it. */
export interface NamedThing {
  kind: Kind;
  colour: Colour;
}

/** The things of one kind and colour in a list of things. */
export interface Group extends NamedThing {
  readonly count: number;
  /** Their indices in the list. */
  readonly members: readonly number[];
}

/** The groups of a list of things, in the order in which each first occurs. */
export function groupsOf(things: readonly NamedThing[]): Group[] {
  const groups = new Map<string, { kind: Group['kind']; colour: Group['colour']; members: number[] }>();
  things.forEach(({ kind, colour }, i) => {
    const key = `${colour} ${kind}`;
    const group = groups.get(key) ?? { kind, colour, members: [] };
    group.members.push(i);
    groups.set(key, group);
  });
  return [...groups.values()].map((group) => ({ ...group, count: group.members.length }));
}

/** Whether every thing of a group is clearly in a relation to every thing of another one. */
export function groupsRelate(layout: Layout, a: Group, relation: Relation, b: Group): boolean {
  return a.members.every((i) => b.members.every((j) => relationHolds(layout, i, relation, j) === 'true'));
}
