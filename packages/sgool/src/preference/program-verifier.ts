/**
 * @file A program that scores pictures. The contract is in docs/verifiers.md: it is called as
 *
 *     ./score.sh <file.png> <prompt>
 *
 * and prints one number on its standard output, more being better.
 */
import { processes } from '#platform';
import { UserError } from '../errors.ts';
import type { Image } from '../image/image.ts';
import { encodePng } from '../image/png.ts';
import type { ClipTarget } from './clip-target.ts';
import { finiteScore } from './http-verifier.ts';

/** Longest time for a score, in milliseconds. */
const PATIENCE = 120_000;

/**
 * What calls the program.
 *
 * @returns its score. Throws a UserError in one line where it cannot be run, fails, takes too long, or prints something else; a
 *   NotFiniteError where the score is no finite number
 */
export function programVerifier(
  program: string,
  patience = PATIENCE,
): (image: Image, target: Pick<ClipTarget, 'text'>, signal?: AbortSignal) => Promise<number> {
  const who = `objective: program ${program}`;
  return async (image, { text }, signal) => {
    const printed = await processes.run(program, {
      file: { name: 'picture.png', bytes: encodePng(image) },
      arguments: [text],
      patience,
      who,
      ...(signal === undefined ? {} : { signal }),
    });
    const line = printed.trim();
    const score = line === '' ? Number.NaN : Number(line);
    if (line === '' || (Number.isNaN(score) && !/^nan$/i.test(line))) {
      const shown = line.replace(/\s+/g, ' ').slice(0, 80) || 'nothing';
      throw new UserError(`${who}: it printed ${shown}; it must print one number`);
    }
    return finiteScore(score, who);
  };
}
