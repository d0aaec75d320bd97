/**
 * @file The prompt suites of toybox-flow with their truth: one thing, two things, one to four equal things, and each relation by itself.
 * `toybox-flow-tuning` is for choosing settings, `toybox-flow` for what is reported; they share no prompt.
 */

import { RELATIONS, type SuitePrompt } from 'sgool/evaluate';
import { relatedCaption } from './describe.ts';
import { drawSuites, ONE_THING, type PromptGroup, related, TWO_THINGS, usedBefore } from './draw-suites.ts';
import { drawCount } from './prompts.ts';
import { sceneGenerator } from './scene-generator.ts';

export const FLOW_SUITES = ['toybox-flow', 'toybox-flow-tuning'] as const;
export type FlowSuiteName = (typeof FLOW_SUITES)[number];

const SEED = 9;

/** Prompts that want exactly so many of a thing. */
const counting = (number: number): PromptGroup => ({
  category: `count ${number}`,
  count: 20,
  draw(generator) {
    const prompt = drawCount(generator, number);
    if (prompt === undefined) return undefined;
    const { text, counts = [] } = prompt;
    return {
      text,
      readings: [counts.map(({ kind, colour, count }) => ({ claim: 'count', kind, colour, number: count }))],
    };
  },
});

const GROUPS: readonly PromptGroup[] = [
  { category: 'one thing', count: 20, draw: ONE_THING },
  { category: 'two things', count: 60, draw: TWO_THINGS },
  ...[1, 2, 3, 4].map(counting),
  ...RELATIONS.map((relation) => ({
    category: relation,
    count: 16,
    draw: related(relatedCaption, relation),
  })),
];

/** The prompts of both suites. */
export const flowSuites = (): Readonly<Record<FlowSuiteName, readonly SuitePrompt[]>> =>
  drawSuites(FLOW_SUITES, GROUPS, sceneGenerator(SEED), usedBefore());
