/** @file Prompts whose truth is known, for evaluation. */

import { COLOURS, KINDS, type Relation } from 'sgool/evaluate';
import { shortCaption } from './describe.ts';
import { createRng } from './random.ts';
import { isHeldOut, type NamedThing } from './split.ts';

export interface PromptSpec {
  readonly text: string;
  readonly things: readonly NamedThing[];
  readonly relation?: { readonly subject: number; readonly relation: Relation; readonly object: number };
}

/** `count` different prompts of one thing with its colour; single things are never held out. */
export function singlePrompts(count: number, seed = 1): PromptSpec[] {
  const rng = createRng(seed);
  return distinct(count, () => [{ kind: rng.pick(KINDS), colour: rng.pick(COLOURS) }]);
}

/** `count` different prompts of two things of different kinds and colours, a combination that no training saw. */
export function heldOutPairPrompts(count: number, seed = 1): PromptSpec[] {
  const rng = createRng(seed);
  return distinct(count, () => {
    const thing = () => ({ kind: rng.pick(KINDS), colour: rng.pick(COLOURS) });
    const things = [thing(), thing()];
    return isHeldOut(things) ? things : undefined;
  });
}

const ATTEMPTS = 100_000;

function distinct(count: number, draw: () => NamedThing[] | undefined): PromptSpec[] {
  const prompts = new Map<string, PromptSpec>();
  for (let i = 0; i < ATTEMPTS && prompts.size < count; i++) {
    const things = draw();
    if (!things) continue;
    const text = shortCaption(things);
    prompts.set(text, { text, things });
  }
  if (prompts.size < count)
    throw new RangeError(`prompts: the world has no ${count} such prompts, only ${prompts.size}`);
  return [...prompts.values()];
}
