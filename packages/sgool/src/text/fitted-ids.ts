/** @file Token ids that fit a network: in number, and in size. */
import { UserError } from '../errors.ts';
import type { TextFit } from './fit-notes.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Token ids of a text, as many as the tokenizer gives or `longest`, the end token kept, and the number of ids before the padding. */
export function fittedIds(tokenizer: Tokenizer, text: string, longest: number) {
  const { ids, length } = tokenizer.encode(text, Math.min(longest, tokenizer.maxLength));
  return { ids, length };
}

/** How much of a text fits into `longest` ids, start and end included, and which of its words the vocabulary lacks. */
export function textFit(tokenizer: Tokenizer, text: string, longest: number): TextFit {
  const { tokens, lost } = tokenizer.encode(text);
  const kept = Math.min(tokens.length, longest - 2);
  const all = tokens.length + lost;
  return { kept, lost: all - kept, truncated: all > kept, unknown: tokenizer.unknownWords(text) };
}

/**
 * Checks that a network has an embedding for each id.
 *
 * @param rows number of its embeddings
 * @param owner of the network, for messages
 * @param until ids from here on are not the tokenizer's
 * @throws UserError that names the first id without one
 */
export function checkIds(
  ids: Int32Array,
  rows: number,
  owner: string,
  until = Number.POSITIVE_INFINITY,
): void {
  const outside = ids.find((id) => id >= rows && id < until);
  if (outside === undefined) return;
  throw new UserError(
    `${owner}: the tokenizer gives a token the id ${outside}, but there are embeddings for ${rows} tokens only`,
  );
}
