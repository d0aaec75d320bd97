/** @file Prompts for networks that take fewer tokens than their tokenizer gives. */
import type { Tokenizer } from './tokenizer.ts';

/** Token ids of a text, truncated to `longest` with the end token kept, and the number of ids before the padding. */
export function fittedIds(tokenizer: Tokenizer, text: string, longest: number) {
  const { ids, length } = tokenizer.encode(text);
  if (ids.length <= longest) return { ids, length };
  const cut = ids.slice(0, longest);
  if (length > longest) cut[longest - 1] = tokenizer.endId;
  return { ids: cut, length: Math.min(length, longest) };
}
