/**
 * @file Captions: sentences about a scene in plain grammar. A caption is a set of claims and a template. Edited claims in the same
 * template give a caption that differs by exactly that edit: a hard negative.
 */

import { COLOURS, type Colour, KINDS, type Kind, RELATIONS, type Relation } from 'sgool/evaluate';
import { BACKGROUNDS, type BackgroundKind, PATTERNS, type Pattern, type Size } from './kinds.ts';
import { relationHolds, type Scene, type Truth } from './scene.ts';
import { type SceneGenerator, shuffle } from './scene-generator.ts';

/** What a caption says about one thing; what it does not say is absent. */
export interface ThingClaim {
  readonly kind: Kind;
  readonly colour: Colour;
  readonly size?: Size;
  readonly pattern?: Pattern;
}

export interface Claims {
  readonly things: readonly ThingClaim[];
  /** `things[0] relation things[1]`. */
  readonly relation?: Relation;
  readonly background?: BackgroundKind;
}

/** One way to put claims into words. */
export interface Template {
  readonly name: string;
  readonly say: (claims: Claims) => string;
}

export interface Described {
  readonly text: string;
  readonly claims: Claims;
  readonly template: Template;
}

const BACKGROUND_PHRASE: Readonly<Record<BackgroundKind, string>> = {
  plain: 'on a plain background',
  grass: 'on the grass under the sky',
  sea: 'by the sea',
  night: 'at night',
  room: 'in a room',
};

/** How a relation is said between two things. */
export const RELATION_PHRASE: Readonly<Record<Relation, string>> = {
  'left of': 'to the left of',
  'right of': 'to the right of',
  above: 'above',
  below: 'below',
  'in front of': 'in front of',
  inside: 'inside',
};

/** The relation from the other side, in the passive voice where there is one. */
const PASSIVE: Readonly<Record<Relation, string>> = {
  'left of': 'is followed on the left by',
  'right of': 'is followed on the right by',
  above: 'is topped by',
  below: 'is carried by',
  'in front of': 'is covered by',
  inside: 'is entered by',
};

/** `a red cat`, `an orange boat`, `a small striped red cat`. */
export function nounPhrase(thing: ThingClaim, article: 'a' | 'the' | '' = 'a'): string {
  const { size, pattern, colour, kind } = thing;
  const words = [size, pattern === 'plain' ? undefined : pattern, colour, kind].filter(
    (word) => word !== undefined,
  );
  const text = words.join(' ');
  if (article === 'a') return `${/^[aeiou]/.test(text) ? 'an' : 'a'} ${text}`;
  return article === '' ? text : `the ${text}`;
}

const [first, second] = [(c: Claims) => c.things[0], (c: Claims) => c.things[1]];
/** ` on the grass under the sky`: where a scene is, behind what is there. */
export const backgroundPhrase = (background: BackgroundKind) => ` ${BACKGROUND_PHRASE[background]}`;
const place = (c: Claims) => (c.background ? backgroundPhrase(c.background) : '');
const list = (c: Claims) => {
  const phrases = c.things.map((thing) => nounPhrase(thing));
  return phrases.length < 3
    ? phrases.join(' and ')
    : `${phrases.slice(0, -1).join(', ')} and ${phrases[phrases.length - 1]}`;
};

/** For any number of things, without a relation. */
const LISTS: readonly Template[] = [
  { name: 'list', say: (c) => `${list(c)}${place(c)}` },
  { name: 'photo', say: (c) => `a picture of ${list(c)}${place(c)}` },
  { name: 'there', say: (c) => `there is ${list(c)}${place(c)}` },
];

const relationOf = ({ relation }: Claims): Relation => {
  if (relation === undefined) throw new RangeError('describe: these claims have no relation');
  return relation;
};

/** For two things and a relation. */
const RELATED: readonly Template[] = [
  {
    name: 'plain',
    say: (c) =>
      `${nounPhrase(first(c))} ${RELATION_PHRASE[relationOf(c)]} ${nounPhrase(second(c))}${place(c)}`,
  },
  {
    name: 'is',
    say: (c) =>
      `the ${nounPhrase(first(c), '')} is ${RELATION_PHRASE[relationOf(c)]} the ${nounPhrase(second(c), '')}${place(c)}`,
  },
  // Word order: the same words, the other thing first.
  {
    name: 'word order',
    say: (c) =>
      `${RELATION_PHRASE[relationOf(c)]} ${nounPhrase(second(c))} there is ${nounPhrase(first(c))}${place(c)}`,
  },
  {
    name: 'passive',
    say: (c) => `${nounPhrase(second(c))} ${PASSIVE[relationOf(c)]} ${nounPhrase(first(c))}${place(c)}`,
  },
];

interface Phenomenon extends Template {
  /** Whether the scene makes the sentence true. */
  readonly fits: (scene: Scene) => boolean;
}

const twoThings = (scene: Scene) => scene.objects.length === 2;

/** The other phenomena of the CSP suite; the templates above cover binding, order, passives and coordination. */
const PHENOMENA: readonly Phenomenon[] = [
  {
    name: 'binding',
    fits: (s) =>
      twoThings(s) && s.objects[0].colour === s.objects[1].colour && s.objects[0].kind !== s.objects[1].kind,
    say: (c) => `${nounPhrase(first(c))} and a ${second(c).kind} of its own colour`,
  },
  {
    name: 'comparative',
    fits: (s) => twoThings(s) && s.objects[0].side > 1.2 * s.objects[1].side,
    say: (c) => `${nounPhrase(first(c))} larger than ${nounPhrase(second(c))}`,
  },
  {
    name: 'negation',
    fits: (s) => s.objects.length === 1,
    say: (c) => `${nounPhrase(first(c))} and no ${first(c).kind === 'cat' ? 'house' : 'cat'}`,
  },
  {
    name: 'ellipsis',
    fits: (s) =>
      twoThings(s) && s.objects[0].kind === s.objects[1].kind && s.objects[0].colour !== s.objects[1].colour,
    say: (c) =>
      `${nounPhrase(first(c))} and ${/^[aeiou]/.test(second(c).colour) ? 'an' : 'a'} ${second(c).colour} one`,
  },
  {
    name: 'ambiguity',
    fits: (s) =>
      twoThings(s) && s.objects[0].colour === s.objects[1].colour && s.objects[0].kind !== s.objects[1].kind,
    say: (c) => `${nounPhrase(first(c))} and ${second(c).kind}`,
  },
];

/** The words and punctuation marks of a text: each is one token where the vocabulary has it. */
export const wordsIn = (text: string): readonly string[] =>
  text.toLowerCase().match(/[a-z]+|[^a-z\s]/g) ?? [];

/** Every word that captions use, sorted. */
export const WORDS: readonly string[] = (() => {
  const words = new Set<string>();
  const note = (text: string) => {
    for (const word of wordsIn(text)) words.add(word);
  };
  for (const kind of KINDS) note(kind);
  for (const colour of COLOURS) note(colour);
  for (const word of ['small', 'medium', 'large', ...PATTERNS]) note(word);
  for (const phrase of [
    ...Object.values(BACKGROUND_PHRASE),
    ...Object.values(RELATION_PHRASE),
    ...Object.values(PASSIVE),
  ]) {
    note(phrase);
  }
  const sample: Claims = {
    things: [
      { kind: 'cat', colour: 'red' },
      { kind: 'boat', colour: 'orange' },
      { kind: 'fish', colour: 'blue' },
    ],
    relation: 'above',
  };
  for (const template of [...LISTS, ...RELATED, ...PHENOMENA]) note(template.say(sample));
  note('photo drawing toy with without nothing only not it they both same than is are the an of .');
  return [...words].sort();
})();

/**
 * What a caption says of one thing: kind and colour, sometimes size and pattern.
 *
 * @param detail 0..1, how often a size is said, and how much more often a pattern than in a quarter of the captions
 */
export function claimOf(scene: Scene, index: number, generator: SceneGenerator, detail: number): ThingClaim {
  const { kind, colour, size, pattern } = scene.objects[index];
  return {
    kind,
    colour,
    ...(size !== 'medium' && generator.chance(detail * 0.6) ? { size } : {}),
    ...(pattern !== 'plain' && generator.chance(0.25 + detail) ? { pattern } : {}),
  };
}

/** A true caption of a scene that names every thing with its colour. */
export function describe(scene: Scene, generator: SceneGenerator): Described {
  const order = scene.objects.map((_, i) => i);
  if (!scene.relation) shuffle(order, generator);
  const background = generator.chance(0.3) ? scene.background.kind : undefined;
  if (scene.objects.length === 2 && generator.chance(0.5)) {
    const [a, b] = generator.chance(0.5) ? [0, 1] : [1, 0];
    const related = describeRelation(scene, [a, b], generator, background);
    if (related !== undefined) return related;
  }
  if (generator.chance(0.15)) {
    const fitting = PHENOMENA.filter((p) => p.fits(scene));
    if (fitting.length > 0) {
      const template = generator.pick(fitting);
      const claims: Claims = { things: scene.objects.map(({ kind, colour }) => ({ kind, colour })) };
      return { text: template.say(claims), claims, template };
    }
  }
  const claims: Claims = { things: order.map((i) => claimOf(scene, i, generator, 0.15)), background };
  const template = LISTS[generator.pick([0, 0, 0, 0, 1, 2])];
  return { text: template.say(claims), claims, template };
}

/**
 * A true caption of how one thing of a scene lies to another.
 *
 * @returns undefined where no relation clearly holds in this order
 */
export function describeRelation(
  scene: Scene,
  [a, b]: readonly [number, number],
  generator: SceneGenerator,
  background?: BackgroundKind,
): Described | undefined {
  const holding = RELATIONS.filter((relation) => relationHolds(scene, a, relation, b) === 'true');
  if (holding.length === 0) return undefined;
  const claims: Claims = {
    things: [claimOf(scene, a, generator, 0.1), claimOf(scene, b, generator, 0.1)],
    relation: generator.pick(holding),
    background,
  };
  const template = RELATED[generator.pick([0, 0, 0, 1, 2, 3])];
  return { text: template.say(claims), claims, template };
}

/** `a red cat and a blue boat`: the shortest caption that names everything. */
export function shortCaption(things: readonly ThingClaim[]): string {
  return LISTS[0].say({ things: things.map(({ kind, colour }) => ({ kind, colour })) });
}

/** `a red cat to the left of a blue boat`: the shortest caption of two things and a relation. */
export function relatedCaption(
  [subject, object]: readonly [ThingClaim, ThingClaim],
  relation: Relation,
): string {
  return RELATED[0].say({ things: [subject, object], relation });
}

/** Two things in the words of a template: a template of relations, or of one of the other phenomena. @throws RangeError for an unknown name */
export function describeAs(name: string, things: readonly ThingClaim[], relation?: Relation): string {
  const template = [...RELATED, ...PHENOMENA].find((one) => one.name === name);
  if (template === undefined) throw new RangeError(`describe: no template is called ${name}`);
  return template.say({ things, relation });
}

/** Whether a claim about one thing holds for an object of the scene. */
function fits(claim: ThingClaim, scene: Scene, index: number): boolean {
  const object = scene.objects[index];
  return (
    claim.kind === object.kind &&
    claim.colour === object.colour &&
    (claim.size === undefined || claim.size === object.size) &&
    (claim.pattern === undefined || claim.pattern === object.pattern)
  );
}

/** Whether claims hold: false only when they clearly do not. Objects of the scene that are not named do not count. */
export function claimsHold(scene: Scene, claims: Claims): Truth {
  if (claims.background !== undefined && claims.background !== scene.background.kind) return 'false';
  let result: Truth = 'false';
  const assign = (next: number, used: readonly number[]): void => {
    if (result === 'true') return;
    const claim = claims.things[next];
    if (claim === undefined) {
      const truth =
        claims.relation === undefined ? 'true' : relationHolds(scene, used[0], claims.relation, used[1]);
      if (truth !== 'false') result = truth;
      return;
    }
    scene.objects.forEach((_, i) => {
      if (!used.includes(i) && fits(claim, scene, i)) assign(next + 1, [...used, i]);
    });
  };
  assign(0, []);
  return result;
}

/** Whether a caption made for another scene is, or may be, true of this one. */
export function holdsIn(scene: Scene, described: Described): boolean {
  return claimsHold(scene, described.claims) !== 'false';
}

const SWAPPED: Readonly<Record<Relation, Relation>> = {
  'left of': 'right of',
  'right of': 'left of',
  above: 'below',
  below: 'above',
  'in front of': 'inside',
  inside: 'in front of',
};

/** Every set of claims that differs from `claims` by one attribute, one thing, exchanged colours or the relation. */
function singleEdits(claims: Claims): Claims[] {
  const edits: Claims[] = [];
  const withThing = (index: number, thing: ThingClaim) =>
    edits.push({ ...claims, things: claims.things.map((t, i) => (i === index ? thing : t)) });
  claims.things.forEach((thing, i) => {
    for (const colour of COLOURS) if (colour !== thing.colour) withThing(i, { ...thing, colour });
    for (const kind of KINDS) if (kind !== thing.kind) withThing(i, { ...thing, kind });
    if (thing.size) withThing(i, { ...thing, size: thing.size === 'small' ? 'large' : 'small' });
    if (thing.pattern)
      withThing(i, { ...thing, pattern: thing.pattern === 'striped' ? 'spotted' : 'striped' });
    for (let j = i + 1; j < claims.things.length; j++) {
      const other = claims.things[j];
      if (other.colour === thing.colour) continue;
      edits.push({
        ...claims,
        things: claims.things.map((t, k) =>
          k === i ? { ...t, colour: other.colour } : k === j ? { ...t, colour: thing.colour } : t,
        ),
      });
    }
  });
  if (claims.relation) {
    for (const relation of RELATIONS) if (relation !== claims.relation) edits.push({ ...claims, relation });
    const [a, b] = [claims.things[0], claims.things[1]];
    edits.push({ ...claims, things: [b, a] });
  }
  if (claims.background) {
    for (const background of BACKGROUNDS)
      if (background !== claims.background) edits.push({ ...claims, background });
  }
  return edits;
}

/**
 * Up to `count` captions that are false of the scene and differ from the true one by a single attribute, thing,
 * exchange of colours, or relation; when those run out, by two of these. All texts are distinct.
 */
export function hardNegatives(
  scene: Scene,
  caption: Described,
  generator: SceneGenerator,
  count: number,
): string[] {
  const texts = new Set<string>([caption.text]);
  const take = (edits: readonly Claims[]) => {
    for (const claims of edits) {
      if (texts.size > count) return;
      if (claimsHold(scene, claims) === 'false') texts.add(caption.template.say(claims));
    }
  };
  const single = singleEdits(caption.claims);
  // Swapped colours and reversed relations test binding, but are rare among the edits, so they often come first.
  const binding = single.filter((e) => isExchange(e, caption.claims));
  const ordered = shuffle([...single], generator);
  take(generator.chance(0.6) ? [...shuffle(binding, generator), ...ordered] : ordered);
  if (texts.size <= count)
    take(
      shuffle(
        single.flatMap((e) => singleEdits(e)),
        generator,
      ),
    );
  texts.delete(caption.text);
  return [...texts].slice(0, count);
}

function isExchange(edit: Claims, original: Claims): boolean {
  if (original.relation && edit.relation === SWAPPED[original.relation]) return true;
  const changed = edit.things.filter(
    (t, i) => t.colour !== original.things[i].colour || t.kind !== original.things[i].kind,
  );
  return changed.length === 2;
}
