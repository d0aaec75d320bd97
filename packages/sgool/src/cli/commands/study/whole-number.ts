/** @file Numbers of options. */
import { UserError } from '../../../errors.ts';
import { USAGE_ERROR } from '../../exit-codes.ts';

/** @throws UserError unless the text is a whole number from `least` to `most` */
export function wholeNumber(who: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text.trim()) && value >= least && value <= most) return value;
  throw new UserError(
    `${who}: not usable, got ${text || 'nothing'}; give a whole number from ${least} up to ${most}`,
    { exitCode: USAGE_ERROR },
  );
}
