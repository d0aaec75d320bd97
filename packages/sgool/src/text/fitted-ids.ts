/** @file Prompts for networks that take fewer tokens than their tokenizer gives. */
import type { Tokenizer } from './tokenizer.ts';

/** Token ids of a text, at most `longest` of them, and how many of them come before the padding. */
export function fittedIds(tokenizer: Tokenizer, text: string, longest: number) {
  const { ids, length } = tokenizer.encode(text);
  if (ids.length <= longest) return { ids, length };
  const cut = ids.slice(0, longest);
  if (length > longest) cut[longest - 1] = tokenizer.endId;
  return { ids: cut, length: Math.min(length, longest) };
}
