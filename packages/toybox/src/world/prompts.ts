/** @file Prompts whose truth is known, for evaluation. */

import { COLOURS, KINDS, MOVES, RELATIONS, type Relation, type WantedMove } from 'sgool/evaluate';
import { relatedCaption, shortCaption } from './describe.ts';
import { countedCaption } from './describe-counted.ts';
import { movingCaption } from './describe-moves.ts';
import type { NamedThing } from './groups.ts';
import { BACKGROUNDS, CONTAINERS } from './kinds.ts';
import { MOST_THINGS } from './sample-counted.ts';
import { type SceneGenerator, sceneGenerator } from './scene-generator.ts';
import { groupIsHeldOut, isHeldOut, isHeldOutOfFlow } from './split.ts';

/** A group as a prompt wants it. */
export type WantedCount = NamedThing & { readonly count: number };

/** A prompt and what an image must show to be correct. */
export interface PromptSpec {
  readonly text: string;
  readonly things: readonly NamedThing[];
  /** Of these there must be exactly so many. */
  readonly counts?: readonly WantedCount[];
  /** Subject and object are indices of `things`. */
  readonly relation?: { readonly subject: number; readonly relation: Relation; readonly object: number };
}

/** `count` different prompts of one thing with its colour. Single things are never held out. */
export function singlePrompts(count: number, seed = 1): PromptSpec[] {
  const generator = sceneGenerator(seed);
  return distinct(count, () => {
    const things = [drawThing(generator)];
    return { text: shortCaption(things), things };
  });
}

/** `count` different prompts of two things whose kinds and colours differ, a combination that no training shows. */
export function heldOutPairPrompts(count: number, seed = 1): PromptSpec[] {
  const generator = sceneGenerator(seed);
  return distinct(count, () => {
    const things = [drawThing(generator), drawThing(generator)];
    return isHeldOut(things) ? { text: shortCaption(things), things } : undefined;
  });
}

/** The same with a relation between the two things; only things that can hold something have another inside them. */
export function heldOutRelationPrompts(count: number, seed = 1): PromptSpec[] {
  const generator = sceneGenerator(seed);
  return distinct(count, () => {
    const things = [drawThing(generator), drawThing(generator)];
    const relation = generator.pick(RELATIONS);
    if (!isHeldOut(things) || (relation === 'inside' && !CONTAINERS.includes(things[1].kind))) return;
    const text = relatedCaption([things[0], things[1]], relation);
    return { text, things, relation: { subject: 0, relation, object: 1 } };
  });
}

/**
 * `count` different prompts of one to four equal things, each number in turn; half of them name a second thing or more, if there is room for
 * it, and half of the others a place. No training shows what they ask for, but for one thing alone.
 */
export function heldOutCountPrompts(count: number, seed = 1): PromptSpec[] {
  const lists = [1, 2, 3, 4].map((number) => {
    const generator = sceneGenerator(4 * seed + number);
    return distinct(Math.ceil(count / 4), () => drawCount(generator, number));
  });
  return Array.from({ length: count }, (_, i) => lists[i % 4][Math.floor(i / 4)]);
}

/** A prompt of `number` equal things, or undefined where training shows what was drawn. */
export function drawCount(generator: SceneGenerator, number: number): PromptSpec | undefined {
  const first: WantedCount = { ...drawThing(generator), count: number };
  const room = MOST_THINGS - number;
  const counts = [first];
  if (room > 0 && generator.chance(0.5)) {
    const second = { ...drawThing(generator), count: 1 + generator.int(room) };
    if (second.kind === first.kind || second.colour === first.colour) return;
    counts.push(second);
  }
  const background = counts.length === 1 && generator.chance(0.5) ? generator.pick(BACKGROUNDS) : undefined;
  const things = counts.flatMap(({ kind, colour, count }) =>
    Array.from({ length: count }, () => ({ kind, colour })),
  );
  const isAsked = number > 1 ? groupIsHeldOut(first, number) : counts.length === 1 || isHeldOutOfFlow(things);
  return isAsked ? { text: countedCaption({ groups: counts, background }), things, counts } : undefined;
}

/** A prompt of a clip: every thing has the move that the text says. */
export interface MovingPrompt {
  readonly text: string;
  readonly things: readonly Required<WantedMove>[];
}

/**
 * `count` different prompts of clips of two things, a combination that no training shows. The moves take turns; in every other round all things
 * move alike, in the others the first one alone.
 */
export function heldOutMovingPrompts(count: number, seed = 1): MovingPrompt[] {
  return heldOutPairPrompts(count, seed).map(({ things }, i) => {
    const move = MOVES[i % MOVES.length];
    const movers = Math.floor(i / MOVES.length) % 2 === 0 ? 'all' : 'first';
    const text = movingCaption({ things, movers }, move);
    const moving = things.map((thing, k) => ({
      ...thing,
      move: movers === 'all' || k === 0 ? move : ('still' as const),
    }));
    return { text, things: moving };
  });
}

/** Any kind in any colour. */
export function drawThing(generator: SceneGenerator): NamedThing {
  return { kind: generator.pick(KINDS), colour: generator.pick(COLOURS) };
}

const ATTEMPTS = 100_000;

/** Calls `draw` until there are `count` prompts with different texts: a longer list begins with a shorter one. */
function distinct(count: number, draw: () => PromptSpec | undefined): PromptSpec[] {
  const prompts = new Map<string, PromptSpec>();
  for (let i = 0; i < ATTEMPTS && prompts.size < count; i++) {
    const prompt = draw();
    if (prompt) prompts.set(prompt.text, prompt);
  }
  if (prompts.size < count) {
    throw new RangeError(`prompts: the world has no ${count} such prompts, only ${prompts.size}`);
  }
  return [...prompts.values()];
}
