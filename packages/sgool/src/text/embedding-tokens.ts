/** @file Tokens of embeddings (textual inversion), which no vocabulary has. */
import type { AddedToken } from './added-tokens.ts';

/** Ids of embeddings begin here, far above those of any vocabulary: row i of all embeddings together has id `FIRST_EMBEDDING_ID + i`. */
export const FIRST_EMBEDDING_ID = 2 ** 24;

/** The word of an embedding. */
export interface EmbeddingWord {
  readonly word: string;
  readonly vectors: number;
  /** Whether it counts only where no letter or digit touches it. */
  readonly isWholeWord: boolean;
}

const LETTER = '[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]';

/** Whether a text holds the word of an embedding, without regard to case. */
export function occursIn(
  text: string,
  { word, isWholeWord }: Pick<EmbeddingWord, 'word' | 'isWholeWord'>,
): boolean {
  const escaped = word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(isWholeWord ? `(?<!${LETTER})${escaped}(?!${LETTER})` : escaped, 'iu').test(text);
}

/**
 * The added tokens of embeddings. A word with several vectors stands for as many tokens, `word`, `word_1`, `word_2`, and in diffusers' form
 * each but the first may be written alone.
 *
 * Reference: diffusers, `load_textual_inversion`, `maybe_convert_prompt`
 */
export function embeddingTokens(words: readonly EmbeddingWord[]): AddedToken[] {
  const tokens: AddedToken[] = [];
  let id = FIRST_EMBEDDING_ID;
  for (const { word, vectors, isWholeWord } of words) {
    tokens.push({ id, content: word, following: vectors - 1, single_word: isWholeWord });
    for (let i = 1; i < vectors && !isWholeWord; i++) tokens.push({ id: id + i, content: `${word}_${i}` });
    id += vectors;
  }
  return tokens;
}
