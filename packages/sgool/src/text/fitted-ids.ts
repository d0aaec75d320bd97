/** @file Token ids that fit a network: in number, and in size. */
import { UserError } from '../errors.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Token ids of a text, as many as the tokenizer gives or `longest`, the end token kept, and the number of ids before the padding. */
export function fittedIds(tokenizer: Tokenizer, text: string, longest: number) {
  const { ids, length } = tokenizer.encode(text, Math.min(longest, tokenizer.maxLength));
  return { ids, length };
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
