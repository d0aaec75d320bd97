import { readFile } from 'node:fs/promises';
import { MOVES } from 'sgool/evaluate';
import { describe, expect, it } from 'vitest';
import { PROMPTS_FILE } from '../paths.ts';
import { poolScenes, type ScenePool, TRAINING_POOLS } from '../train/scenes.ts';
import { claimsHold } from './describe.ts';
import { groupsOf, type NamedThing } from './groups.ts';
import { PROMPT_SETS, type PromptSetName, promptSet, promptsJson } from './prompt-sets.ts';
import { heldOutMovingPrompts, type PromptSpec, type WantedCount } from './prompts.ts';
import { sampleScene } from './sample.ts';
import { sceneGenerator } from './scene-generator.ts';
import { isHeldOutOfFlow } from './split.ts';

type PromptFile = Record<PromptSetName, { readonly prompts: readonly PromptSpec[] }>;

const committed = await readFile(PROMPTS_FILE, 'utf8');
const sets = JSON.parse(committed) as PromptFile;
const names = Object.keys(PROMPT_SETS) as PromptSetName[];
const nameOf = ({ kind, colour }: NamedThing) => `${colour} ${kind}`;
/** Enough of a pool that a held-out combination would be among them; all of it takes long. */
const firstScenes = (pool: ScenePool) => poolScenes({ ...pool, count: Math.min(pool.count, 4000) });
const groupKey = ({ count, ...thing }: WantedCount) => `${count} ${nameOf(thing)}`;
const numbers = ['one', 'two', 'three', 'four'];
const pairKey = (a: NamedThing, b: NamedThing) => [nameOf(a), nameOf(b)].sort().join(' + ');

describe('the committed prompts', () => {
  it('are what `make:prompts` writes', () => {
    expect(committed).toBe(promptsJson());
  });

  it.each(names)('%s are different, and the first of them are what the evaluations draw', (name) => {
    const { prompts } = sets[name];
    expect(prompts).toHaveLength(PROMPT_SETS[name].count);
    expect(new Set(prompts.map(({ text }) => text)).size).toBe(prompts.length);
    expect(promptSet(name, 12)).toEqual(prompts.slice(0, 12));
  });

  it('name their things in the text, in order', () => {
    for (const { text, things, relation } of names.flatMap((name) => sets[name].prompts)) {
      const phrases = things.map((thing) => text.indexOf(nameOf(thing)));
      expect(Math.min(...phrases), text).toBeGreaterThan(-1);
      expect(phrases, text).toEqual(phrases.toSorted((a, b) => a - b));
      if (relation) expect(text, text).toMatch(/left|right|above|below|front|inside/);
    }
  });

  it('with a relation can be drawn, and are true of such a scene only', () => {
    const generator = sceneGenerator(5);
    for (const { things, relation } of sets.relations.prompts.slice(0, 60)) {
      if (!relation) throw new Error('a prompt without a relation');
      const [kinds, colours] = [things.map(({ kind }) => kind), things.map(({ colour }) => colour)];
      const scene = sampleScene(generator, { kinds, colours, relation: relation.relation });
      expect(claimsHold(scene, { things: [...things], relation: relation.relation })).toBe('true');
      expect(claimsHold(scene, { things: things.toReversed(), relation: relation.relation })).toBe('false');
    }
  });

  it('with numbers have each of them in turn, and ask for what no scene of toybox-flow shows', () => {
    const { prompts } = sets.counts;
    const wanted = prompts.map(({ text, things, counts = [] }, i) => {
      const [first, ...others] = counts;
      expect(first.count, text).toBe(1 + (i % 4));
      expect(things, text).toEqual(
        counts.flatMap(({ kind, colour, count }) => Array.from({ length: count }, () => ({ kind, colour }))),
      );
      expect(things.length, text).toBeLessThanOrEqual(4);
      if (things.length > 1) expect(isHeldOutOfFlow(things), text).toBe(true);
      for (const one of counts) expect(text).toContain(one.count > 1 ? numbers[one.count - 1] : nameOf(one));
      return others.length;
    });
    expect(wanted.filter((others) => others > 0).length / prompts.length).toBeGreaterThan(0.25);
    const groups = new Set(
      prompts.flatMap(({ counts = [] }) => counts.filter(({ count }) => count > 1).map(groupKey)),
    );
    const held = new Set(
      [...groups].filter((key) => prompts.some(({ counts = [] }) => groupKey(counts[0]) === key)),
    );
    expect(held.size).toBeGreaterThan(50);
    for (const stage of ['flow', 'judge_counts'] as const) {
      for (const { objects } of firstScenes(TRAINING_POOLS[stage])) {
        for (const group of groupsOf(objects)) {
          if (held.has(groupKey(group))) throw new Error(`${stage}: a scene shows ${groupKey(group)}`);
        }
      }
    }
  });

  it('of two things are in no scene that a training draws from', () => {
    const pairs = new Set(
      names
        .filter((name) => name !== 'counts')
        .flatMap((name) => sets[name].prompts.flatMap(({ things: [a, b] }) => (b ? [pairKey(a, b)] : []))),
    );
    expect(pairs.size).toBeGreaterThan(400);
    for (const [stage, pool] of Object.entries(TRAINING_POOLS)) {
      for (const { objects } of firstScenes(pool)) {
        for (const [i, a] of objects.entries()) {
          for (const b of objects.slice(i + 1)) {
            if (pairs.has(pairKey(a, b))) throw new Error(`${stage}: a scene shows ${pairKey(a, b)}`);
          }
        }
      }
    }
  });
});

it('the prompts of clips say the move of every thing, each move in turn, of all things and of the first alone', () => {
  const prompts = heldOutMovingPrompts(36);
  expect(prompts[0].text).toMatch(/, both drifting leftward$/);
  expect(prompts[0].things.map(({ move }) => move)).toEqual(['left', 'left']);
  expect(prompts[14].text).toMatch(/ growing beside /);
  expect(prompts[14].things.map(({ move }) => move)).toEqual(['grow', 'still']);
  expect(new Set(prompts.map(({ things }) => things[0].move)).size).toBe(MOVES.length);
});
