/** @file Cleaning a prompt and splitting it into words. */

import { unescapeHtml } from './html-entities.ts';

/**
 * Cleans a prompt as CLIP's training did: HTML references resolved twice, typographic quotes made straight, composed
 * (NFC), white space collapsed, lower-cased.
 *
 * The original runs the whole of the Python package ftfy; of its repairs, ordinary prompts
 * need the straight quotes (telephones write "the dog’s ball"). transformers 5 runs none of them.
 *
 * Reference: openai/CLIP, clip/simple_tokenizer.py, `basic_clean` and `whitespace_clean`
 */
export function cleanPrompt(text: string): string {
  return unescapeHtml(unescapeHtml(text))
    .replace(/[‘’‛]/g, "'")
    .replace(/[“”‟]/g, '"')
    .normalize('NFC')
    .replace(/\p{White_Space}+/gu, ' ')
    .trim()
    .toLowerCase();
}

const WORDS =
  /<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\p{White_Space}\p{L}\p{N}]+/gu;

/** Splits a cleaned prompt into contractions, runs of letters, single digits, and runs of anything else. */
export function splitWords(cleaned: string): string[] {
  return cleaned.match(WORDS) ?? [];
}
