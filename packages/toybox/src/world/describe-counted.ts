/**
 * @file Captions of toybox-flow's world: those of `describe.ts`, which name relations more often, and captions that say how many things of a
 * kind and colour there are. None has more words than {@link MOST_WORDS}.
 */

import { KINDS, RELATIONS, type Relation } from 'sgool/evaluate';
import {
  backgroundPhrase,
  describe,
  describeRelation,
  nounPhrase,
  RELATION_PHRASE,
  type ThingClaim,
  WORDS,
  wordsIn,
} from './describe.ts';
import { type Group, groupsOf, groupsRelate } from './groups.ts';
import type { BackgroundKind } from './kinds.ts';
import type { Scene } from './scene.ts';
import { type SceneGenerator, shuffle } from './scene-generator.ts';

/** Most words and punctuation marks of a caption: with start and end 24 tokens. */
export const MOST_WORDS = 22;

const NUMBERS = ['one', 'two', 'three', 'four'] as const;

/** What a caption says of a group; a number is exact. */
export interface GroupClaim extends ThingClaim {
  /** 1 to 4. */
  readonly count: number;
}

export interface CountedClaims {
  readonly groups: readonly GroupClaim[];
  /** Every thing of `groups[0]` is in this relation to every thing of `groups[1]`. */
  readonly relation?: Relation;
  readonly background?: BackgroundKind;
}

/** `red cats` of `red cat`; the fish of the world stay fish. */
export const pluralOf = (name: string): string => (name.endsWith('fish') ? name : `${name}s`);

/** `two small red cats`, `one red cat`. */
const counted = ({ count, ...thing }: GroupClaim): string => {
  const name = nounPhrase(thing, '');
  return `${NUMBERS[count - 1]} ${count === 1 ? name : pluralOf(name)}`;
};

/** Beside a number a single thing has an article: `two red cats and a blue boat`. */
const phrases = ({ groups }: CountedClaims): string[] => {
  const alone = groups.every(({ count }) => count === 1);
  return groups.map((group) => (group.count === 1 && !alone ? nounPhrase(group) : counted(group)));
};
const be = ({ count }: GroupClaim) => (count === 1 ? 'is' : 'are');

/** For one or more groups. */
const LISTS: readonly ((claims: CountedClaims) => string)[] = [
  (claims) => phrases(claims).join(' and '),
  (claims) => `a picture of ${phrases(claims).join(' and ')}`,
  (claims) => `there ${be(claims.groups[0])} ${phrases(claims).join(' and ')}`,
];

/** For two groups and a relation. */
const RELATED: readonly ((claims: CountedClaims, relation: string) => string)[] = [
  (claims, relation) => phrases(claims).join(` ${relation} `),
  (claims, relation) => {
    const [a, b] = phrases(claims);
    return `${a} ${be(claims.groups[0])} ${relation} ${b}`;
  },
  // Word order: the same words, the other group first.
  (claims, relation) => {
    const [a, b] = phrases(claims);
    return `${relation} ${b} there ${be(claims.groups[0])} ${a}`;
  },
];

/** The words that captions of groups use beside those of `describe.ts`, sorted. */
export const COUNT_WORDS: readonly string[] = [...NUMBERS, ...KINDS.map(pluralOf)]
  .filter((word) => !WORDS.includes(word))
  .sort();

/** Every word that toybox-flow's tokenizer knows. */
export const FLOW_WORDS: readonly string[] = [...WORDS, ...COUNT_WORDS];

/**
 * Claims of groups in words.
 *
 * @param template number of the way to say it; 0 is the shortest
 */
export function countedCaption(claims: CountedClaims, template = 0): string {
  const { relation, background } = claims;
  const text =
    relation === undefined ? LISTS[template](claims) : RELATED[template](claims, RELATION_PHRASE[relation]);
  return background === undefined ? text : text + backgroundPhrase(background);
}

/** A true caption of a scene of toybox-flow's world that names every thing with its colour. */
export interface FlowCaption {
  readonly text: string;
  /** What it says of groups; absent where it counts nothing. */
  readonly counted?: CountedClaims;
}

/** Draws until a caption is short enough; details are what makes one long, and few captions are. */
export function describeFlow(scene: Scene, generator: SceneGenerator): FlowCaption {
  for (;;) {
    const caption = draw(scene, generator);
    if (wordsIn(caption.text).length <= MOST_WORDS) return caption;
  }
}

function draw(scene: Scene, generator: SceneGenerator): FlowCaption {
  const groups = groupsOf(scene.objects);
  const background = generator.chance(0.25) ? scene.background.kind : undefined;
  // Two equal things are mostly counted, others mostly related.
  if (scene.objects.length === 2 && generator.chance(groups.length === 2 ? 0.85 : 0.15)) {
    const order: readonly [number, number] = generator.chance(0.5) ? [0, 1] : [1, 0];
    const related =
      describeRelation(scene, order, generator, background) ??
      describeRelation(scene, [order[1], order[0]], generator, background);
    if (related !== undefined) return related;
  }
  const isCounted = groups.some(({ count }) => count > 1) || (groups.length < 3 && generator.chance(0.25));
  if (!isCounted) return describe(scene, generator);
  const claims = claimGroups(scene, groups, generator, background);
  const ways = claims.relation === undefined ? [0, 0, 0, 1, 2] : [0, 0, 1, 2];
  return { text: countedCaption(claims, generator.pick(ways)), counted: claims };
}

/** What a caption says of the groups of a scene. Size and pattern are said where all things of a group share them. */
function claimGroups(
  scene: Scene,
  groups: readonly Group[],
  generator: SceneGenerator,
  background: BackgroundKind | undefined,
): CountedClaims {
  const order = shuffle([...groups], generator);
  const claims = order.map(({ kind, colour, count, members }): GroupClaim => {
    const [{ size, pattern }, ...others] = members.map((i) => scene.objects[i]);
    const sameSize = others.every((other) => other.size === size);
    const samePattern = others.every((other) => other.pattern === pattern);
    return {
      kind,
      colour,
      count,
      ...(sameSize && size !== 'medium' && generator.chance(0.08) ? { size } : {}),
      ...(samePattern && pattern !== 'plain' && generator.chance(0.4) ? { pattern } : {}),
    };
  });
  const [a, b] = order;
  const holding = b === undefined ? [] : RELATIONS.filter((relation) => groupsRelate(scene, a, relation, b));
  const relation = holding.length > 0 && generator.chance(0.7) ? generator.pick(holding) : undefined;
  return { groups: claims, relation, background };
}
