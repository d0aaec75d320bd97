import { COLOURS, KINDS, RELATIONS } from 'sgool/evaluate';
import { expect, it, describe as suite } from 'vitest';
import {
  type Claims,
  claimsHold,
  describe,
  hardNegatives,
  holdsIn,
  type ThingClaim,
  WORDS,
} from './describe.ts';
import { BACKGROUNDS, PATTERNS, SIZES } from './kinds.ts';
import { sceneFromSeed } from './sample.ts';
import type { Scene } from './scene.ts';
import { sceneGenerator } from './scene-generator.ts';

const PLACES = {
  plain: 'on a plain background',
  grass: 'on the grass under the sky',
  sea: 'by the sea',
  night: 'at night',
  room: 'in a room',
} as const;
const RELATION_WORDS = {
  'left of': 'to the left of',
  'right of': 'to the right of',
  above: 'above',
  below: 'below',
  'in front of': 'in front of',
  inside: 'inside',
} as const;

/** Reads a caption of the templates "list" and "plain" back into claims, by its words alone. */
function read(text: string): Claims {
  const background = BACKGROUNDS.find((name) => text.endsWith(PLACES[name]));
  const body = background ? text.slice(0, -PLACES[background].length - 1) : text;
  const relation = RELATIONS.find((name) => body.includes(` ${RELATION_WORDS[name]} `));
  const phrases = relation ? body.split(` ${RELATION_WORDS[relation]} `) : body.split(/, | and /);
  const things = phrases.map((phrase): ThingClaim => {
    const words = phrase.split(' ');
    const any = <T extends string>(names: readonly T[]) => names.find((name) => words.includes(name));
    const one = <T extends string>(names: readonly T[]): T => {
      const found = any(names);
      if (found === undefined) throw new Error(`"${phrase}" has none of ${names.join(', ')}`);
      return found;
    };
    return { kind: one(KINDS), colour: one(COLOURS), size: any(SIZES), pattern: any(PATTERNS) };
  });
  return { things, relation, background };
}

const scenes = Array.from({ length: 300 }, (_, seed) => sceneFromSeed(seed));
const readable = (name: string) => name === 'list' || name === 'plain';

/** Whether an object of the scene is named as its kind and colour. */
const isNamed = (text: string, { kind, colour }: Scene['objects'][number]) =>
  text.includes(kind) && text.includes(colour);

suite('captions', () => {
  it('are true of their scene and name everything in it', () => {
    const words = sceneGenerator(3);
    for (const scene of scenes) {
      const { text, claims } = describe(scene, words);
      expect(claimsHold(scene, claims)).toBe('true');
      expect(claims.things).toHaveLength(scene.objects.length);
      if (!/one$|of its own colour$/.test(text)) {
        for (const object of scene.objects) expect(isNamed(text, object), text).toBe(true);
      }
    }
  });

  it('say in words what they claim', () => {
    const words = sceneGenerator(4);
    let read_ = 0;
    for (const scene of scenes) {
      const { text, claims, template } = describe(scene, words);
      if (!readable(template.name)) continue;
      expect(read(text)).toEqual({
        relation: undefined,
        background: undefined,
        ...claims,
        things: expect.anything(),
      });
      read(text).things.forEach((thing, i) => {
        expect(thing).toEqual({ size: undefined, pattern: undefined, ...claims.things[i] });
      });
      read_++;
    }
    expect(read_).toBeGreaterThan(100);
  });

  it('are in every template and every phenomenon sooner or later', () => {
    const words = sceneGenerator(5);
    const names = new Set<string>();
    for (let i = 0; i < 4000; i++) names.add(describe(scenes[i % scenes.length], words).template.name);
    expect([...names].sort()).toEqual(
      [
        ...['list', 'photo', 'there', 'plain', 'is', 'word order', 'passive'],
        ...['binding', 'comparative', 'negation', 'ellipsis', 'ambiguity'],
      ].sort(),
    );
  });

  it('hold words of the closed list only', () => {
    const words = sceneGenerator(6);
    for (const scene of scenes) {
      const caption = describe(scene, words);
      for (const text of [caption.text, ...hardNegatives(scene, caption, words, 5)]) {
        for (const word of text.match(/[a-z]+|[^a-z\s]/g) ?? []) expect(WORDS).toContain(word);
      }
    }
  });
});

suite('hard negatives', () => {
  it('are false, distinct, and as many as requested', () => {
    const words = sceneGenerator(7);
    for (const scene of scenes.slice(0, 120)) {
      const caption = describe(scene, words);
      const negatives = hardNegatives(scene, caption, words, 20);
      expect(negatives).toHaveLength(20);
      expect(new Set([caption.text, ...negatives]).size).toBe(21);
      if (!readable(caption.template.name)) continue;
      for (const text of negatives) expect(claimsHold(scene, read(text)), text).toBe('false');
    }
  });

  it('exchange colours and reverse relations, which is what binding is about', () => {
    const scene = sceneFromSeed(1, {
      kinds: ['cat', 'boat'],
      colours: ['red', 'blue'],
      patterns: ['plain', 'plain'],
      relation: 'left of',
    });
    const words = sceneGenerator(8);
    const seen = new Set<string>();
    for (let i = 0; i < 100; i++) {
      const caption = describe(scene, words);
      for (const text of hardNegatives(scene, caption, words, 3)) seen.add(text);
    }
    expect(seen).toContain('a blue cat and a red boat');
    expect(seen).toContain('a red cat to the right of a blue boat');
    expect(seen).toContain('a blue boat to the left of a red cat');
  });
});

suite('the truth of claims', () => {
  const scene = sceneFromSeed(2, {
    kinds: ['cat', 'boat'],
    colours: ['red', 'blue'],
    relation: 'left of',
    background: 'sea',
  });
  const cat: ThingClaim = { kind: 'cat', colour: 'red' };
  const boat: ThingClaim = { kind: 'boat', colour: 'blue' };

  it.each<[string, Claims, string]>([
    ['one of two things', { things: [cat] }, 'true'],
    ['both, in the other order', { things: [boat, cat] }, 'true'],
    ['the same thing twice', { things: [cat, cat] }, 'false'],
    [
      'exchanged colours',
      {
        things: [
          { ...cat, colour: 'blue' },
          { ...boat, colour: 'red' },
        ],
      },
      'false',
    ],
    ['the relation', { things: [cat, boat], relation: 'left of' }, 'true'],
    ['the relation from the other side', { things: [boat, cat], relation: 'right of' }, 'true'],
    ['the relation turned round', { things: [boat, cat], relation: 'left of' }, 'false'],
    ['another place', { things: [cat], background: 'night' }, 'false'],
    ['the place', { things: [cat], background: 'sea' }, 'true'],
  ])('%s', (_, claims, truth) => {
    expect(claimsHold(scene, claims)).toBe(truth);
  });

  it('of one scene can be evaluated in another', () => {
    const caption = describe(
      sceneFromSeed(3, {
        kinds: ['cat'],
        colours: ['red'],
        patterns: ['plain'],
        sizes: ['medium'],
        things: 1,
        background: 'sea',
      }),
      sceneGenerator(1),
    );
    expect(holdsIn(scene, { ...caption, claims: { things: [cat] } })).toBe(true);
    expect(holdsIn(scene, { ...caption, claims: { things: [{ ...cat, colour: 'green' }] } })).toBe(false);
  });
});
