import { COLOURS, KINDS, RELATIONS, type Relation } from 'sgool/evaluate';
import { describe, expect, it } from 'vitest';
import { flowVocabulary, toyboxTokenizer } from '../stages/tokenizer.ts';
import { thingOfCells } from './cells.ts';
import { WORDS } from './describe.ts';
import { COUNT_WORDS, countedCaption, describeFlow, FLOW_WORDS, MOST_WORDS } from './describe-counted.ts';
import { groupsOf, groupsRelate } from './groups.ts';
import { BACKGROUNDS, PATTERNS, SIZES } from './kinds.ts';
import { renderWithMasks } from './render.ts';
import { flowSceneFromSeed, MOST_THINGS, sampleCountedScene } from './sample-counted.ts';
import { boxOf, relationHolds, type Scene } from './scene.ts';
import { hashText, sceneGenerator } from './scene-generator.ts';
import { groupIsHeldOut, HELD_OUT_GROUPS, isHeldOutOfFlow } from './split.ts';

const seeds = (count: number) => Array.from({ length: count }, (_, i) => i);
const scenes = seeds(4000).map((seed) => flowSceneFromSeed(seed));
const counted = seeds(1500).map((seed) => sampleCountedScene(sceneGenerator(seed)));

/** The relations as captions say them, longest first where one begins with another. */
const SAID: readonly [string, Relation][] = [
  ['to the left of', 'left of'],
  ['to the right of', 'right of'],
  ['in front of', 'in front of'],
  ['above', 'above'],
  ['below', 'below'],
  ['inside', 'inside'],
];
const PLACES = {
  plain: 'on a plain background',
  grass: 'on the grass under the sky',
  sea: 'by the sea',
  night: 'at night',
  room: 'in a room',
} as const;
const NUMBERS = ['one', 'two', 'three', 'four'];

interface Phrase {
  readonly count: number;
  readonly indices: readonly number[];
}

/** Reads a caption with numbers by its words alone: what each phrase names, the relation, and the place. */
function read(text: string, scene: Scene): { phrases: Phrase[]; relation?: Relation; place?: string } {
  const place = BACKGROUNDS.find((name) => text.endsWith(PLACES[name]));
  let body = place === undefined ? text : text.slice(0, -PLACES[place].length - 1);
  body = body.replace(/^a picture of /, '').replace(/^there (is|are) /, '');
  const said = SAID.find(([words]) => body.startsWith(`${words} `) || body.includes(` ${words} `));
  let parts = body.split(' and ');
  if (said !== undefined) {
    const [words] = said;
    const turned = body.startsWith(words);
    parts = turned
      ? body
          .slice(words.length + 1)
          .split(/ there (?:is|are) /)
          .reverse()
      : body.replace(/ (is|are) (?=to |in |above|below|inside)/, ' ').split(` ${words} `);
  }
  const phrases = parts.map((phrase) => {
    const [number, ...words] = phrase.split(' ');
    const count = /^an?$/.test(number) ? 1 : NUMBERS.indexOf(number) + 1;
    const noun = words.at(-1) ?? '';
    const kind = KINDS.find((one) => noun === (count === 1 || one === 'fish' ? one : `${one}s`));
    const adjectives = words.slice(0, -1);
    const known: readonly string[] = [...COLOURS, ...SIZES, ...PATTERNS];
    if (count < 1 || kind === undefined || !adjectives.every((word) => known.includes(word)))
      throw new Error(`cannot read "${phrase}" of "${text}"`);
    const indices = scene.objects.flatMap((thing, i) => {
      const words: readonly string[] = [thing.colour, thing.size, thing.pattern];
      return thing.kind === kind && adjectives.every((word) => words.includes(word)) ? [i] : [];
    });
    return { count, indices };
  });
  return { phrases, relation: said?.[1], place };
}

describe('captions with numbers', () => {
  const words = sceneGenerator(1);
  const captions = scenes.map((scene) => ({ scene, caption: describeFlow(scene, words) }));
  const numbered = captions.filter(({ caption }) => caption.counted !== undefined);

  it('are true: the scene shows exactly as many, where the caption says, and nothing else', () => {
    const [related, placed, words] = [new Set<string>(), new Set<string>(), new Set<string>()];
    for (const { scene, caption } of numbered) {
      const { phrases, relation, place } = read(caption.text, scene);
      for (const { count, indices } of phrases) expect(indices, caption.text).toHaveLength(count);
      const named = phrases.flatMap(({ indices }) => indices);
      expect(named.toSorted(), caption.text).toEqual(scene.objects.map((_, i) => i));
      if (place !== undefined) expect(scene.background.kind, caption.text).toBe(place);
      if (relation !== undefined) {
        const [a, b] = phrases;
        for (const i of a.indices)
          for (const j of b.indices) expect(relationHolds(scene, i, relation, j), caption.text).toBe('true');
      }
      if (relation) related.add(relation);
      if (place) placed.add(place);
      for (const word of caption.text.split(' ')) words.add(word);
    }
    expect(numbered.length).toBeGreaterThan(1300);
    expect([...related].sort()).toEqual([...RELATIONS].sort());
    expect([...placed].sort()).toEqual([...BACKGROUNDS].sort());
    expect(COUNT_WORDS.filter((word) => !words.has(word))).toEqual([]);
    for (const detail of ['one', 'small', 'striped', 'is', 'are', 'picture']) expect(words).toContain(detail);
  });

  it('say what they claim', () => {
    for (const { scene, caption } of numbered) {
      const claims = caption.counted;
      expect(claims?.groups.map(({ count }) => count)).toEqual(
        read(caption.text, scene).phrases.map(({ count }) => count),
      );
    }
  });

  it('count two equal things more often than they relate them', () => {
    const twins = captions.filter(
      ({ scene }) => scene.objects.length === 2 && groupsOf(scene.objects).length === 1,
    );
    const saidTwo = twins.filter(({ caption }) => /\btwo\b/.test(caption.text));
    expect(saidTwo.length / twins.length).toBeGreaterThan(0.85);
  });

  it('name the relation of most scenes that have one, each relation as often', () => {
    const said = new Map(RELATIONS.map((relation) => [relation, 0]));
    let laidOut = 0;
    for (const { scene, caption } of captions) {
      if (scene.relation === undefined) continue;
      laidOut++;
      const found = SAID.find(([words]) => caption.text.includes(words));
      if (found) said.set(found[1], (said.get(found[1]) ?? 0) + 1);
    }
    const total = [...said.values()].reduce((a, b) => a + b);
    expect(total / laidOut).toBeGreaterThan(0.6);
    for (const count of said.values()) expect(count / total).toBeGreaterThan(0.1);
  });

  it('fit into 24 tokens of the vocabulary, a token for each word', () => {
    const { encode } = toyboxTokenizer(flowVocabulary());
    for (const { caption } of captions) {
      const { length } = encode(caption.text);
      expect(length, caption.text).toBe((caption.text.match(/[a-z]+|[^a-z\s]/g)?.length ?? 0) + 2);
      expect(length, caption.text).toBeLessThanOrEqual(MOST_WORDS + 2);
    }
    expect(new Set(FLOW_WORDS).size).toBe(WORDS.length + COUNT_WORDS.length);
    expect(COUNT_WORDS).toHaveLength(16);
  });

  it('are these for a few claims', () => {
    const cats = { count: 2, kind: 'cat', colour: 'red' } as const;
    const boat = { count: 1, kind: 'boat', colour: 'orange' } as const;
    const fish = { count: 3, kind: 'fish', colour: 'blue', size: 'small' } as const;
    expect(countedCaption({ groups: [cats] })).toBe('two red cats');
    expect(countedCaption({ groups: [boat] })).toBe('one orange boat');
    expect(countedCaption({ groups: [cats, boat], background: 'sea' })).toBe(
      'two red cats and an orange boat by the sea',
    );
    expect(countedCaption({ groups: [boat, fish], relation: 'above' }, 1)).toBe(
      'an orange boat is above three small blue fish',
    );
    expect(countedCaption({ groups: [cats, boat], relation: 'left of' }, 2)).toBe(
      'to the left of an orange boat there are two red cats',
    );
    expect(countedCaption({ groups: [cats, boat] }, 2)).toBe('there are two red cats and an orange boat');
  });
});

describe('scenes with groups', () => {
  it('are the same for the same seed', () => {
    // A change here means another world: every weight of toybox-flow would have to be trained again.
    expect(hashText(JSON.stringify(scenes.slice(0, 60)))).toBe(4_287_573_817);
  });

  it('have one to four things, first groups of each number equally often', () => {
    const totals = new Map<number, number>();
    const largest = new Map<number, number>();
    for (const { objects } of counted) {
      const groups = groupsOf(objects);
      expect(groups.length).toBeLessThanOrEqual(2);
      expect(objects.length).toBeLessThanOrEqual(MOST_THINGS);
      totals.set(objects.length, (totals.get(objects.length) ?? 0) + 1);
      const most = Math.max(...groups.map(({ count }) => count));
      largest.set(most, (largest.get(most) ?? 0) + 1);
    }
    for (const count of [1, 2, 3, 4]) {
      expect((totals.get(count) ?? 0) / counted.length).toBeGreaterThan(0.12);
      expect((largest.get(count) ?? 0) / counted.length).toBeGreaterThan(0.15);
    }
  });

  it('have things in a group that look alike, in the image, none on another', () => {
    for (const { objects } of counted) {
      for (const { members } of groupsOf(objects)) {
        for (const key of ['size', 'pattern'] as const)
          expect(new Set(members.map((i) => objects[i][key])).size).toBe(1);
      }
      const boxes = objects.map(boxOf);
      boxes.forEach((a, i) => {
        expect(Math.min(a.x0, a.y0)).toBeGreaterThanOrEqual(0.03 - 1e-9);
        expect(Math.max(a.x1, a.y1)).toBeLessThanOrEqual(0.97 + 1e-9);
        for (const b of boxes.slice(i + 1))
          expect(Math.max(b.x0 - a.x1, a.x0 - b.x1, b.y0 - a.y1, a.y0 - b.y1)).toBeGreaterThanOrEqual(
            0.02 - 1e-9,
          );
      });
    }
  });

  it('have in many cases one group beside the other', () => {
    const two = counted.flatMap(({ objects }) => {
      const groups = groupsOf(objects);
      return objects.length > 2 && groups.length === 2 ? [{ objects, groups }] : [];
    });
    const beside = two.filter(({ objects, groups: [a, b] }) =>
      RELATIONS.some((relation) => groupsRelate({ objects }, a, relation, b)),
    );
    expect(beside.length / two.length).toBeGreaterThan(0.2);
  });

  it('are drawn as they are wanted', () => {
    const groups = [
      { count: 3, kind: 'star', colour: 'blue' },
      { count: 1, kind: 'boat', colour: 'green' },
    ] as const;
    for (const seed of seeds(30)) {
      const { objects } = sampleCountedScene(sceneGenerator(seed), { groups });
      const found = groupsOf(objects).map(({ count, kind, colour }) => ({ count, kind, colour }));
      expect(found).toHaveLength(2);
      expect(found).toEqual(expect.arrayContaining([...groups]));
    }
    const wrong = (wanted: readonly { count: number }[]) => () =>
      sampleCountedScene(sceneGenerator(1), { groups: wanted });
    expect(wrong([{ count: 3 }, { count: 2 }])).toThrow(
      /has 1 to 4 things, got \[\{"count":3\},\{"count":2\}\]/,
    );
    expect(wrong([{ count: 0 }])).toThrow(/1 to 4/);
    expect(wrong([])).toThrow(/1 to 4/);
    const twice = [groups[1], groups[1]];
    expect(() => sampleCountedScene(sceneGenerator(1), { groups: twice })).toThrow(/must differ/);
  });

  it('are half of the scenes of the world, whose other half has every relation equally often', () => {
    const relations = new Map(RELATIONS.map((relation) => [relation, 0]));
    for (const { relation } of scenes) {
      if (relation) relations.set(relation.relation, (relations.get(relation.relation) ?? 0) + 1);
    }
    const total = [...relations.values()].reduce((a, b) => a + b);
    expect(total / scenes.length).toBeGreaterThan(0.27);
    expect(total / scenes.length).toBeLessThan(0.37);
    for (const count of relations.values()) expect(count / total).toBeCloseTo(1 / 6, 1);
    const many = scenes.filter(({ objects }) => groupsOf(objects).some(({ count }) => count > 1));
    expect(many.length / scenes.length).toBeGreaterThan(0.35);
  });
});

describe('held-out groups', () => {
  it('are about the promised share of the groups of two, three and four, never of one', () => {
    for (const count of [1, 2, 3, 4]) {
      const held = KINDS.flatMap((kind) =>
        COLOURS.filter((colour) => groupIsHeldOut({ kind, colour }, count)),
      );
      if (count === 1) expect(held).toHaveLength(0);
      else
        expect(Math.abs(held.length / (KINDS.length * COLOURS.length) - HELD_OUT_GROUPS)).toBeLessThan(0.12);
    }
  });

  it('never occur in training scenes, nor do held-out pairs', () => {
    for (const seed of seeds(1500)) {
      expect(isHeldOutOfFlow(flowSceneFromSeed(seed, { split: 'train' }).objects)).toBe(false);
    }
    expect(scenes.filter(({ objects }) => isHeldOutOfFlow(objects)).length).toBeGreaterThan(400);
  });
});

describe('the thing of each cell', () => {
  it('is the one that covers it, or none', () => {
    for (const scene of counted.slice(0, 40)) {
      const { masks } = renderWithMasks(scene);
      const cells = thingOfCells(masks, 128, 8);
      cells.forEach((thing, cell) => {
        const [row, column] = [Math.floor(cell / 8) * 16, (cell % 8) * 16];
        const covered = masks.map(({ mask }) => {
          let pixels = 0;
          for (let y = row; y < row + 16; y++)
            for (let x = column; x < column + 16; x++) pixels += mask[y * 128 + x];
          return pixels / 256;
        });
        // A cell is read at 25 points, so that shares near the limit and near each other may go either way.
        if (thing < 0) expect(Math.max(...covered)).toBeLessThan(0.34);
        else {
          expect(covered[thing]).toBeGreaterThan(0.1);
          expect(Math.max(...covered) - covered[thing]).toBeLessThan(0.15);
        }
      });
      for (const i of scene.objects.keys()) expect([...cells]).toContain(i);
    }
  });

  it('can be asked of a part of the image, and of some things', () => {
    const { masks } = renderWithMasks(counted[3]);
    const whole = thingOfCells(masks, 128, 8);
    const part = thingOfCells(masks, 128, 4, undefined, { x: 64, y: 0, side: 64 });
    for (let r = 0; r < 4; r++)
      for (let c = 0; c < 4; c++) expect(part[4 * r + c]).toBe(whole[8 * r + 4 + c]);
    expect(new Set(thingOfCells(masks, 128, 8, []))).toEqual(new Set([-1]));
  });
});
