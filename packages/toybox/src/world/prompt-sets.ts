/** @file The prompts of each evaluation. `make-prompts.ts` writes them to `@sgool/toybox-models`, for evaluations elsewhere. */

import {
  heldOutCountPrompts,
  heldOutMovingPrompts,
  heldOutPairPrompts,
  heldOutRelationPrompts,
  type MovingPrompt,
  type PromptSpec,
  singlePrompts,
} from './prompts.ts';

interface PromptSet {
  readonly about: string;
  readonly draw: (count: number, seed?: number) => PromptSpec[];
  readonly seed: number;
  /** How many prompts the committed file holds. */
  readonly count: number;
}

/** By name. A set never changes; the prompts of two sets may coincide, as the world has 1510 held-out pairs of things in order. */
export const PROMPT_SETS = {
  singles: {
    about: 'one thing with its colour; for the thresholds of plain generation',
    draw: singlePrompts,
    seed: 1,
    count: 100,
  },
  pairs: {
    about: 'two things; for reports and the thresholds of plain generation, nothing is tuned on them',
    draw: heldOutPairPrompts,
    seed: 1,
    count: 400,
  },
  ablation: {
    about: 'two things; for choosing defaults',
    draw: heldOutPairPrompts,
    seed: 2,
    count: 100,
  },
  cost: {
    about:
      'two things; for the cost of methods, the first hundred for choosing and the others for confirming',
    draw: heldOutPairPrompts,
    seed: 3,
    count: 200,
  },
  counts: {
    about: 'one to four equal things, some beside others; for toybox-flow, nothing is tuned on them',
    draw: heldOutCountPrompts,
    seed: 7,
    count: 200,
  },
  moves: {
    about: 'clips of two things and how they move; nothing is tuned on them',
    draw: heldOutMovingPrompts,
    seed: 6,
    count: 100,
  },
  relations: {
    about: 'two things and the relation between them; nothing is tuned on them',
    draw: heldOutRelationPrompts,
    seed: 4,
    count: 200,
  },
} as const satisfies Record<string, PromptSet>;

export type PromptSetName = keyof typeof PROMPT_SETS;

/**
 * The first `count` prompts of a set.
 *
 * @throws RangeError where the world has fewer such prompts
 */
export function promptSet(name: PromptSetName, count: number): PromptSpec[] {
  const { draw, seed } = PROMPT_SETS[name];
  return draw(count, seed);
}

/** The first `count` prompts of the set `moves`. */
export const movingPrompts = (count: number): MovingPrompt[] =>
  heldOutMovingPrompts(count, PROMPT_SETS.moves.seed);

/** The committed file: a line for each prompt. */
export function promptsJson(): string {
  const sets = (Object.keys(PROMPT_SETS) as PromptSetName[]).map((name) => {
    const { about, seed, count } = PROMPT_SETS[name];
    const prompts = promptSet(name, count).map((prompt) => `      ${JSON.stringify(prompt)}`);
    return [
      `  ${JSON.stringify(name)}: {`,
      `    "about": ${JSON.stringify(about)},`,
      `    "seed": ${seed},`,
      `    "prompts": [\n${prompts.join(',\n')}\n    ]`,
      '  }',
    ].join('\n');
  });
  return `{\n${sets.join(',\n')}\n}\n`;
}
