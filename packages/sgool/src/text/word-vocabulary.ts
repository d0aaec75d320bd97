/** @file A vocabulary in CLIP's format for a closed list of words. */

import { byteSymbolsById, END_OF_WORD, mergePairs, toSymbols, type Vocabulary } from './byte-pairs.ts';
import { cleanPrompt, splitWords } from './clean.ts';
import { END_OF_TEXT, START_OF_TEXT } from './tokenizer.ts';

/** A vocabulary that was made for a list of words. */
export interface WordVocabulary extends Vocabulary {
  readonly words: readonly string[];
}

/**
 * Makes a vocabulary in which each of the given words is one token; any other text still has tokens, if
 * need be one for each byte.
 *
 * Ids as in CLIP: 256 byte symbols, the same 256 at the end of a word, merged symbols, start, end. The end token has
 * the highest id, as CLIP's pooling (at the largest id) expects.
 *
 * A word is encoded with the merges so far, and what is left is merged from the left. Later merges cannot break an earlier
 * word, because the lowest rank is merged first, so the order of `words` does not matter.
 *
 * @param words lower case, each one word by CLIP's pattern: letters, or one digit, or punctuation
 * @param base a vocabulary that is extended: its words keep their ids, and the symbols of further words follow behind its end token
 * @throws Error when an entry is not one lower-case word
 */
export function buildWordVocabulary(words: readonly string[], base?: WordVocabulary): WordVocabulary {
  const symbols = new Set(base ? tokensById(base.vocab) : oneByteSymbols());
  const ranks = new Map(base?.merges.map((pair, rank) => [pair, rank]));
  for (const word of words) {
    if (cleanPrompt(word, 'transformers') !== word || splitWords(word, 'transformers').length !== 1) {
      throw new Error(
        `buildWordVocabulary: each entry must be one lower-case word, got ${JSON.stringify(word)}`,
      );
    }
    let pieces = mergePairs(toSymbols(word), ranks);
    while (pieces.length > 1) {
      ranks.set(`${pieces[0]} ${pieces[1]}`, ranks.size);
      symbols.add(pieces[0] + pieces[1]);
      pieces = mergePairs(toSymbols(word), ranks);
    }
  }
  const tokens = [...new Set([...symbols, START_OF_TEXT, END_OF_TEXT])];
  return {
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    merges: [...ranks.keys()],
    words: [...(base?.words ?? []), ...words],
  };
}

function oneByteSymbols(): string[] {
  const bytes = byteSymbolsById();
  return [...bytes, ...bytes.map((symbol) => symbol + END_OF_WORD)];
}

const tokensById = (vocab: Vocabulary['vocab']) =>
  Object.entries(vocab)
    .sort(([, a], [, b]) => a - b)
    .map(([token]) => token);

/**
 * The files of a `tokenizer` folder, by name, that transformers' CLIPTokenizer and {@link loadTokenizer} read.
 *
 * A list of words is kept as `closed_vocabulary` of tokenizer_config.json, a key that transformers passes over: it says which words a
 * model was trained with.
 *
 * @param maxLength tokens of a prompt, start and end included
 */
export function tokenizerFiles(
  { vocab, merges, words }: Vocabulary & Partial<WordVocabulary>,
  maxLength = 77,
): Record<string, string> {
  const special = {
    bos_token: START_OF_TEXT,
    eos_token: END_OF_TEXT,
    unk_token: END_OF_TEXT,
    pad_token: END_OF_TEXT,
  };
  const config = {
    ...special,
    add_prefix_space: false,
    do_lower_case: true,
    errors: 'replace',
    model_max_length: maxLength,
    tokenizer_class: 'CLIPTokenizer',
    ...(words === undefined ? {} : { closed_vocabulary: words }),
  };
  return {
    'vocab.json': `${JSON.stringify(vocab)}\n`,
    'merges.txt': `#version: 0.2\n${merges.map((pair) => `${pair}\n`).join('')}`,
    'tokenizer_config.json': `${JSON.stringify(config, null, 2)}\n`,
    'special_tokens_map.json': `${JSON.stringify(special, null, 2)}\n`,
  };
}
