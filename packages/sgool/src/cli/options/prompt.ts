/** @file Messages about a prompt that is empty or too long. */
import { UserError } from '../../errors.ts';
import { USAGE_ERROR } from '../exit-codes.ts';

/**
 * @param instead what else the command offers
 * @throws UserError where the prompt is empty
 */
export function checkPrompt(prompt: string, instead = ''): void {
  if (prompt.trim() !== '') return;
  throw new UserError(`prompt: must not be empty; say what the image should show${instead}`, {
    exitCode: USAGE_ERROR,
  });
}

/**
 * One line about a text that is cut off.
 *
 * @param what the text is
 * @param who cuts it off
 */
export function tooLong(what: string, who: string, kept: number, lost: number): string {
  return `the ${what} is too long for ${who}: its first ${kept} tokens are used, the last ${lost} are left out`;
}
