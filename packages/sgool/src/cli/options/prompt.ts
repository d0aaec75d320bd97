/** @file What every command that takes a prompt says of one that is empty or too long. */
import { UserError } from '../../errors.ts';
import { USAGE_ERROR } from '../exit-codes.ts';

/** @throws UserError where there is nothing in it */
export function checkPrompt(prompt: string): void {
  if (prompt.trim() !== '') return;
  throw new UserError('prompt: must not be empty; say what the image should show', {
    exitCode: USAGE_ERROR,
  });
}

/**
 * One line for a text of which a part does not count.
 *
 * @param what it is
 * @param who takes no more of it
 */
export function tooLong(what: string, who: string, kept: number, lost: number): string {
  return `the ${what} is too long for ${who}: its first ${kept} tokens count, the last ${lost} are left out`;
}
