/**
 * @file Toybox's prompt suites with their truth: every group in which prompts are reported, among them the eight phenomena of the
 * CSP suite. `toybox-tuning` is for choosing settings, `toybox` for what is reported; they share no prompt. `moves` holds the prompts of clips.
 */

import { type Clause, COLOURS, KINDS, type SuitePrompt } from 'sgool/evaluate';
import { describeAs, nounPhrase, relatedCaption, shortCaption } from './describe.ts';
import {
  drawPair,
  drawSuites,
  ONE_THING,
  type PromptGroup,
  present,
  related,
  TWO_THINGS,
  usedBefore,
} from './draw-suites.ts';
import type { NamedThing } from './groups.ts';
import { movingPrompts, PROMPT_SETS } from './prompt-sets.ts';
import { drawThing } from './prompts.ts';
import { type SceneGenerator, sceneGenerator } from './scene-generator.ts';
import { isHeldOut } from './split.ts';

const PICTURE_SUITES = ['toybox', 'toybox-tuning'] as const;
export const SUITES = [...PICTURE_SUITES, 'moves'] as const;
export type SuiteName = (typeof SUITES)[number];

const SEED = 5;

/** Two things of different kinds in one colour; such pairs are never held out. */
function drawAlike(generator: SceneGenerator): [NamedThing, NamedThing] | undefined {
  const [a, b] = [drawThing(generator), drawThing(generator)];
  return a.kind === b.kind ? undefined : [a, { ...b, colour: a.colour }];
}

const GROUPS: readonly PromptGroup[] = [
  { category: 'one thing', count: 20, draw: ONE_THING },
  { category: 'attribute binding', count: 40, draw: TWO_THINGS },
  { category: 'position', count: 48, draw: related(relatedCaption) },
  { category: 'word order', count: 20, draw: related((things, r) => describeAs('word order', things, r)) },
  { category: 'passives', count: 20, draw: related((things, r) => describeAs('passive', things, r)) },
  {
    category: 'coordination',
    count: 20,
    draw(generator) {
      const things = [drawThing(generator), drawThing(generator), drawThing(generator)];
      const differ = new Set(things.map(({ kind }) => kind)).size === 3;
      const coloured = new Set(things.map(({ colour }) => colour)).size === 3;
      if (!differ || !coloured || !isHeldOut(things)) return undefined;
      return { text: shortCaption(things), readings: [things.map(present)] };
    },
  },
  {
    category: 'comparatives',
    count: 20,
    draw(generator) {
      const things = drawPair(generator);
      if (!things) return undefined;
      return {
        text: describeAs('comparative', things),
        readings: [[...things.map(present), { claim: 'size', larger: 0, smaller: 1 }]],
      };
    },
  },
  {
    category: 'binding and coreference',
    count: 20,
    draw(generator) {
      const things = drawAlike(generator);
      return things && { text: describeAs('binding', things), readings: [things.map(present)] };
    },
  },
  {
    category: 'negation',
    count: 20,
    draw(generator) {
      const thing = drawThing(generator);
      const kind = generator.pick(KINDS);
      if (kind === thing.kind) return undefined;
      const said = generator.chance(0.5) ? `and no ${kind}` : `without ${article(kind)} ${kind}`;
      return {
        text: `${nounPhrase(thing)} ${said}`,
        readings: [[present(thing), { claim: 'absent', kind }]],
      };
    },
  },
  {
    category: 'ellipsis',
    count: 20,
    draw(generator) {
      const a = drawThing(generator);
      const b = { kind: a.kind, colour: generator.pick(COLOURS) };
      if (a.colour === b.colour) return undefined;
      return { text: describeAs('ellipsis', [a, b]), readings: [[present(a), present(b)]] };
    },
  },
  {
    category: 'ambiguity',
    count: 20,
    draw(generator) {
      const things = drawAlike(generator);
      if (!things) return undefined;
      const [a, b] = things;
      // The colour belongs to both things, or to the first alone.
      const readings: Clause[][] = [
        [present(a), present(b)],
        [present(a), { claim: 'present', kind: b.kind }],
      ];
      return { text: describeAs('ambiguity', things), readings };
    },
  },
];

const article = (word: string) => (/^[aeiou]/.test(word) ? 'an' : 'a');

/** The prompts of all suites. Prompts on which defaults were chosen before are in none of those of pictures. */
export const toyboxSuites = (): Readonly<Record<SuiteName, readonly SuitePrompt[]>> => ({
  ...drawSuites(PICTURE_SUITES, GROUPS, sceneGenerator(SEED), usedBefore()),
  moves: movesSuite(),
});

/** The set `moves` as a suite: its categories are the moves. */
function movesSuite(): SuitePrompt[] {
  return movingPrompts(PROMPT_SETS.moves.count).map(({ text, things }, i) => ({
    id: String(i + 1),
    text,
    category: things[0].move,
    readings: [
      [
        ...things.map(present),
        ...things.map(({ move }, subject): Clause => ({ claim: 'move', subject, move })),
      ],
    ],
  }));
}
