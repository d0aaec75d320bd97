/** @file What the prompt suites of Toybox and toybox-flow are drawn with: groups of prompts that take turns, and their truth. */

import { type Clause, RELATIONS, type Relation, type SuitePrompt } from 'sgool/evaluate';
import { shortCaption } from './describe.ts';
import type { NamedThing } from './groups.ts';
import { CONTAINERS } from './kinds.ts';
import { promptSet } from './prompt-sets.ts';
import { drawThing } from './prompts.ts';
import type { SceneGenerator } from './scene-generator.ts';
import { isHeldOut } from './split.ts';

/** A prompt without its place in a suite. */
export interface Drawn {
  readonly text: string;
  readonly readings: readonly (readonly Clause[])[];
}

/** Prompts of one kind. */
export interface PromptGroup {
  readonly category: string;
  /** Prompts of each suite. */
  readonly count: number;
  /** A prompt, or undefined where what was drawn does not suit. */
  readonly draw: (generator: SceneGenerator) => Drawn | undefined;
}

/** The claim that a thing is there. */
export const present = ({ kind, colour }: NamedThing): Clause => ({ claim: 'present', kind, colour });

/** Two things that no training has shown together. */
export function drawPair(generator: SceneGenerator): [NamedThing, NamedThing] | undefined {
  const things: [NamedThing, NamedThing] = [drawThing(generator), drawThing(generator)];
  return isHeldOut(things) ? things : undefined;
}

/**
 * Two things and a relation between them, in the words of a template.
 *
 * @param wanted default: any relation
 */
export function related(
  template: (things: readonly [NamedThing, NamedThing], relation: Relation) => string,
  wanted?: Relation,
) {
  return (generator: SceneGenerator): Drawn | undefined => {
    const things = drawPair(generator);
    if (!things) return undefined;
    const relation = wanted ?? generator.pick(RELATIONS);
    if (relation === 'inside' && !CONTAINERS.includes(things[1].kind)) return undefined;
    return {
      text: template(things, relation),
      readings: [[...things.map(present), { claim: 'relation', subject: 0, relation, object: 1 }]],
    };
  };
}

/** Prompts of one thing with its colour, and of two that no training has shown together. */
export const ONE_THING: PromptGroup['draw'] = (generator) => {
  const thing = drawThing(generator);
  return { text: shortCaption([thing]), readings: [[present(thing)]] };
};
export const TWO_THINGS: PromptGroup['draw'] = (generator) => {
  const things = drawPair(generator);
  return things && { text: shortCaption(things), readings: [things.map(present)] };
};

const ATTEMPTS = 100_000;

/**
 * The prompts of suites that share none. Groups take turns, so that the first prompts of a suite are of all of them.
 *
 * @param generator draws the prompts of all suites
 * @param avoided texts that no suite has
 * @throws RangeError where the world has too few prompts of a group
 */
export function drawSuites<Name extends string>(
  names: readonly Name[],
  groups: readonly PromptGroup[],
  generator: SceneGenerator,
  avoided: ReadonlySet<string>,
): Readonly<Record<Name, readonly SuitePrompt[]>> {
  const taken = new Set(avoided);
  const drawn = groups.map(({ category, count, draw }) => {
    const wanted = count * names.length;
    const prompts: Omit<SuitePrompt, 'id'>[] = [];
    for (let i = 0; i < ATTEMPTS && prompts.length < wanted; i++) {
      const prompt = draw(generator);
      if (prompt === undefined || taken.has(prompt.text)) continue;
      taken.add(prompt.text);
      prompts.push({ ...prompt, category });
    }
    if (prompts.length < wanted) {
      throw new RangeError(
        `suites: the world has no ${wanted} prompts of ${category}, only ${prompts.length}`,
      );
    }
    return prompts;
  });
  const lists = names.map((name, which): [Name, SuitePrompt[]] => {
    const own = drawn.map((prompts) => prompts.filter((_, i) => i % names.length === which));
    const most = Math.max(...own.map((prompts) => prompts.length));
    const mixed = Array.from({ length: most }, (_, i) => own.flatMap((prompts) => prompts[i] ?? [])).flat();
    return [name, mixed.map((prompt, i) => ({ id: String(i + 1), ...prompt }))];
  });
  return Object.fromEntries(lists) as Record<Name, SuitePrompt[]>;
}

/** Texts of prompts on which defaults were chosen before there were suites. */
export const usedBefore = (): Set<string> =>
  new Set((['ablation', 'cost'] as const).flatMap((name) => promptSet(name, 100).map(({ text }) => text)));

/** A suite as a file: a prompt per line. */
export function suiteText(prompts: readonly SuitePrompt[]): string {
  return prompts
    .map(
      ({ id, text, category, readings }) => `${JSON.stringify({ id, prompt: text, category, readings })}\n`,
    )
    .join('');
}
