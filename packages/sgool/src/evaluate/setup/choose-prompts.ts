/** @file The prompts of a suite that are run: all, the first ones, those of a category, a share for each machine. */
import { UserError } from '../../errors.ts';
import type { Suite, SuitePrompt } from '../suites/suite.ts';

/** A share of the prompts: the `index`-th of `count`, from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** `2/4`. @throws UserError where it is no such share */
export function readShard(text: string): Shard {
  const [, index, count] = /^(\d{1,4})\/(\d{1,4})$/.exec(text.trim()) ?? [];
  const shard = { index: Number(index), count: Number(count) };
  if (shard.index >= 1 && shard.index <= shard.count) return shard;
  throw new UserError(
    `--shard: not usable, got ${text || 'nothing'}; write i/n with i from 1 to n, for instance 2/4`,
    {
      exitCode: 2,
    },
  );
}

/**
 * The prompts that `--only` and `--limit` leave.
 *
 * @param only names of categories, or ids of prompts, separated by commas
 * @throws UserError where a name is none of the suite's
 */
export function choosePrompts(
  suite: Suite,
  only: readonly string[],
  limit: number | undefined,
): SuitePrompt[] {
  for (const name of only) {
    if (suite.prompts.some((prompt) => prompt.category === name || prompt.id === name)) continue;
    const categories = [...new Set(suite.prompts.flatMap(({ category }) => category ?? []))];
    const known = categories.length === 0 ? 'no categories' : `the categories ${categories.join(', ')}`;
    throw new UserError(
      `--only: suite ${suite.name} has no ${name || 'nothing'}; it has ${known}, and prompts 1 to ${suite.prompts.length}`,
      {
        exitCode: 2,
      },
    );
  }
  const chosen = suite.prompts.filter(
    ({ id, category }) =>
      only.length === 0 || only.includes(id) || (category !== undefined && only.includes(category)),
  );
  return chosen.slice(0, limit);
}
