/** @file Which judge an evaluation has: the one that its suites name, or the one that made the scores of an evaluation. */

import { UserError } from '../../errors.ts';
import { JUDGE_NAMES, type JudgeName, judgeFile } from '../../networks/judge/open-judge.ts';
import { fileSha256 } from '../../platform/file-sha256.ts';
import type { Suite } from '../suites/suite.ts';

/**
 * The judge of suites. Scores of two judges do not compare, so all suites with clauses must have the same one.
 *
 * @returns undefined where no prompt has clauses
 * @throws UserError where they have two
 */
export function judgeOfSuites(
  suites: readonly Pick<Suite, 'name' | 'judge' | 'prompts'>[],
): JudgeName | undefined {
  const judged = suites.filter(({ prompts }) => prompts.some(({ readings }) => readings !== undefined));
  const judgeOf = ({ judge = 'judge' }: Pick<Suite, 'judge'>) => judge;
  const [first] = judged;
  if (first === undefined) return undefined;
  const other = judged.find((suite) => judgeOf(suite) !== judgeOf(first));
  if (other === undefined) return judgeOf(first);
  throw new UserError(
    `--suite: ${first.name} is judged by ${judgeOf(first)}, ${other.name} by ${judgeOf(other)}; evaluate them in two runs`,
    { exitCode: 2 },
  );
}

/**
 * The judge whose weights have a hash; the first one where none has, so that the difference is found when scores are compared.
 *
 * @param sha256 of the weights, as `ScoreInfo` has it; undefined where nothing is judged
 */
export async function judgeOfWeights(sha256: string | undefined): Promise<JudgeName | undefined> {
  if (sha256 === undefined) return undefined;
  for (const name of JUDGE_NAMES) if ((await fileSha256(judgeFile(name))) === sha256) return name;
  return JUDGE_NAMES[0];
}
