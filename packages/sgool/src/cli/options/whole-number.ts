/** @file Whole numbers of options that no schema describes. */
import { usageError } from '../usage-error.ts';

/** @throws UserError, for a wrong command line, unless the text is a whole number from `least` to `most` in decimal digits */
export function wholeNumber(who: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text.trim()) && value >= least && value <= most) return value;
  throw usageError(
    `${who}: not usable, got ${text || 'nothing'}; give a whole number from ${least} up to ${most}`,
  );
}
