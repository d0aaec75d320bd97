/**
 * @file Toybox's prompt suites with their truth: every group in which prompts are reported, among them the eight phenomena of the
 * CSP suite. `toybox-tuning` is for choosing settings, `toybox` for what is reported; they share no prompt.
 */

import { type Clause, COLOURS, KINDS, RELATIONS, type Relation, type SuitePrompt } from 'sgool/evaluate';
import { describeAs, nounPhrase, relatedCaption, shortCaption } from './describe.ts';
import type { NamedThing } from './groups.ts';
import { CONTAINERS } from './kinds.ts';
import { promptSet } from './prompt-sets.ts';
import { type SceneGenerator, sceneGenerator } from './scene-generator.ts';
import { isHeldOut } from './split.ts';

export const SUITES = ['toybox', 'toybox-tuning'] as const;
export type SuiteName = (typeof SUITES)[number];

const SEED = 5;

interface Drawn {
  readonly text: string;
  readonly readings: readonly (readonly Clause[])[];
}

interface Group {
  readonly category: string;
  /** Prompts of each suite. */
  readonly count: number;
  /** A prompt, or undefined where what was drawn does not suit. */
  readonly draw: (generator: SceneGenerator) => Drawn | undefined;
}

const present = ({ kind, colour }: NamedThing): Clause => ({ claim: 'present', kind, colour });

function drawThing(generator: SceneGenerator): NamedThing {
  return { kind: generator.pick(KINDS), colour: generator.pick(COLOURS) };
}

/** Two things that no training has shown together. */
function drawPair(generator: SceneGenerator): [NamedThing, NamedThing] | undefined {
  const things: [NamedThing, NamedThing] = [drawThing(generator), drawThing(generator)];
  return isHeldOut(things) ? things : undefined;
}

/** Two things of different kinds in one colour; such pairs are never held out. */
function drawAlike(generator: SceneGenerator): [NamedThing, NamedThing] | undefined {
  const [a, b] = [drawThing(generator), drawThing(generator)];
  return a.kind === b.kind ? undefined : [a, { ...b, colour: a.colour }];
}

function drawRelation(generator: SceneGenerator, [, object]: readonly NamedThing[]): Relation | undefined {
  const relation = generator.pick(RELATIONS);
  return relation === 'inside' && !CONTAINERS.includes(object.kind) ? undefined : relation;
}

/** Two things and a relation between them, in the words of a template. */
function related(template: (things: readonly [NamedThing, NamedThing], relation: Relation) => string) {
  return (generator: SceneGenerator): Drawn | undefined => {
    const things = drawPair(generator);
    const relation = things && drawRelation(generator, things);
    if (!things || !relation) return undefined;
    return {
      text: template(things, relation),
      readings: [[...things.map(present), { claim: 'relation', subject: 0, relation, object: 1 }]],
    };
  };
}

const GROUPS: readonly Group[] = [
  {
    category: 'one thing',
    count: 20,
    draw(generator) {
      const thing = drawThing(generator);
      return { text: shortCaption([thing]), readings: [[present(thing)]] };
    },
  },
  {
    category: 'attribute binding',
    count: 40,
    draw(generator) {
      const things = drawPair(generator);
      return things && { text: shortCaption(things), readings: [things.map(present)] };
    },
  },
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

const ATTEMPTS = 100_000;

/**
 * The prompts of both suites. Groups take turns, so that the first prompts of a suite are of all of them. Prompts on which
 * defaults were chosen before are in neither.
 */
export function toyboxSuites(): Readonly<Record<SuiteName, readonly SuitePrompt[]>> {
  const generator = sceneGenerator(SEED);
  const taken = new Set(
    (['ablation', 'cost'] as const).flatMap((name) => promptSet(name, 100).map(({ text }) => text)),
  );
  const drawn = GROUPS.map(({ category, count, draw }) => {
    const prompts: Omit<SuitePrompt, 'id'>[] = [];
    for (let i = 0; i < ATTEMPTS && prompts.length < count * SUITES.length; i++) {
      const prompt = draw(generator);
      if (prompt === undefined || taken.has(prompt.text)) continue;
      taken.add(prompt.text);
      prompts.push({ ...prompt, category });
    }
    if (prompts.length < count * SUITES.length) {
      throw new RangeError(
        `suites: the world has no ${count * SUITES.length} prompts of ${category}, only ${prompts.length}`,
      );
    }
    return prompts;
  });
  const lists = SUITES.map((_, which): SuitePrompt[] => {
    const own = drawn.map((prompts) => prompts.filter((_, i) => i % SUITES.length === which));
    const most = Math.max(...own.map((prompts) => prompts.length));
    const mixed = Array.from({ length: most }, (_, i) => own.flatMap((prompts) => prompts[i] ?? [])).flat();
    return mixed.map((prompt, i) => ({ id: String(i + 1), ...prompt }));
  });
  return { toybox: lists[0], 'toybox-tuning': lists[1] };
}

/** A suite as a file: a prompt per line. */
export function suiteText(prompts: readonly SuitePrompt[]): string {
  return prompts
    .map(
      ({ id, text, category, readings }) => `${JSON.stringify({ id, prompt: text, category, readings })}\n`,
    )
    .join('');
}
