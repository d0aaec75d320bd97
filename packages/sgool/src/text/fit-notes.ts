/** @file What a reader does not read of a text, in lines for people. */

import { printable } from '../errors.ts';

/** How a text fits its reader. */
export interface TextFit {
  /** Whether it was too long; its first tokens are read. */
  readonly truncated: boolean;
  /** Number of tokens that are read. */
  readonly kept: number;
  /** Number of tokens that are ignored. */
  readonly lost: number;
  /** Words that the vocabulary lacks: they mean nothing to the reader. */
  readonly unknown: readonly string[];
}

/** As many words are named; of the others the number is said. */
const NAMED = 10;

/**
 * What is cut off, and which words the vocabulary lacks: one line each.
 *
 * @param what the text is
 * @param who reads it
 */
export function fitNotes(what: string, who: string, { truncated, kept, lost, unknown }: TextFit): string[] {
  return [
    ...(truncated
      ? [
          `the ${what} is too long for ${who}: its first ${kept} tokens are used, the last ${lost} are left out`,
        ]
      : []),
    ...(unknown.length > 0
      ? [`the vocabulary of ${who} lacks words of the ${what}, which mean nothing to it: ${listed(unknown)}`]
      : []),
  ];
}

function listed(words: readonly string[]): string {
  const rest = words.length - NAMED;
  const named = words.slice(0, NAMED).map((word) => printable(word.slice(0, 40)));
  return `${named.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
