/** @file Cleaning a prompt and splitting it into words, as each of the published tokenizers does it. */

import { fixText } from './ftfy.ts';
import { unescapeHtml } from './html-entities.ts';

/**
 * Whose rules clean a prompt: those of transformers' CLIPTokenizer, or those of openai/CLIP, which OpenCLIP and the code of HPS
 * copied.
 */
export type Cleaning = 'transformers' | 'openai';

// biome-ignore lint/suspicious/noControlCharactersInRegex: separators that Python counts as white space
const PYTHON_WHITE_SPACE = /[\p{White_Space}\x1c-\x1f]+/gu;

/**
 * Cleans a prompt as the code of openai/CLIP does: repaired by ftfy, HTML references resolved twice, white space collapsed,
 * lower-cased.
 *
 * Reference: openai/CLIP, clip/simple_tokenizer.py, `basic_clean` and `whitespace_clean`
 */
function cleanAsOpenai(text: string): string {
  const repaired = unescapeHtml(unescapeHtml(fixText(text)));
  return repaired.replace(PYTHON_WHITE_SPACE, ' ').trim().toLowerCase();
}

/**
 * Cleans a prompt as transformers does: composed (NFC), white space collapsed, lower-cased letter by letter (the last sigma of a
 * word stays what it is). Nothing is repaired.
 *
 * Reference: transformers 5, CLIPTokenizer: its `normalizer`
 */
function cleanAsTransformers(text: string): string {
  const composed = text.normalize('NFC').replace(/\p{White_Space}+/gu, ' ');
  return Array.from(composed, (letter) => letter.toLowerCase()).join('');
}

/** Cleans a prompt; see {@link Cleaning}. */
export function cleanPrompt(text: string, cleaning: Cleaning): string {
  return cleaning === 'openai' ? cleanAsOpenai(text) : cleanAsTransformers(text);
}

const PLAIN_WORDS = "'s|'t|'re|'ve|'m|'ll|'d|\\p{L}+|\\p{N}|[^\\p{White_Space}\\p{L}\\p{N}]+";
const WORDS: Readonly<Record<Cleaning, RegExp>> = {
  // Its special tokens are cut out before a text is cleaned.
  transformers: new RegExp(PLAIN_WORDS, 'gu'),
  openai: new RegExp(
    `<\\|startoftext\\|>|<\\|endoftext\\|>|${PLAIN_WORDS.replaceAll("'s", "'[s\u017f]")}`,
    'gu',
  ),
};

/** Splits a cleaned prompt into contractions, runs of letters, single digits, and runs of anything else. */
export function splitWords(cleaned: string, cleaning: Cleaning): string[] {
  return cleaned.match(WORDS[cleaning]) ?? [];
}
