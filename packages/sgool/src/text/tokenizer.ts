/** @file CLIP's tokenizer, as Stable Diffusion uses it. */

import { UserError } from '../errors.ts';
import { mergePairs, toSymbols, type Vocabulary } from './byte-pairs.ts';
import { cleanPrompt, splitWords } from './clean.ts';

/** The token that begins every prompt. */
export const START_OF_TEXT = '<|startoftext|>';
/** The token that ends every prompt, pads it, and stands for unknown pieces. */
export const END_OF_TEXT = '<|endoftext|>';

/** Length of the sequences that CLIP's text encoders were trained with. */
const DEFAULT_MAX_LENGTH = 77;

/** A prompt as token ids. */
export interface EncodedPrompt {
  /** `[start, ...pieces, end, padding ...]`, exactly `maxLength` ids. */
  ids: Int32Array;
  /** The pieces in `ids`, without start, end and padding; the last piece of a word ends in `</w>`. */
  tokens: string[];
  /** Ids before the padding: `tokens.length + 2`. */
  length: number;
  /** True when the prompt was too long; its first tokens and the end token are kept. */
  truncated: boolean;
  /** Number of tokens that were cut off. */
  lost: number;
}

/** CLIP's tokenizer. */
export interface Tokenizer {
  readonly vocabSize: number;
  /** Length of `ids`, start and end included. */
  readonly maxLength: number;
  readonly startId: number;
  readonly endId: number;
  readonly padId: number;
  encode(text: string): EncodedPrompt;
  /**
   * Indices in `encode(text).ids` of all pieces of every occurrence of a word or phrase, in order; the first token after the
   * start has index 1. Indices lost by truncation are left out. The list is empty when the word does not occur.
   */
  tokenPositions(text: string, word: string): number[];
}

/** A vocabulary and its settings. */
export interface TokenizerOptions extends Vocabulary {
  /** Content of tokenizer_config.json; `model_max_length` and `pad_token` are read, the latter a text or an object with it. */
  config?: Readonly<Record<string, unknown>>;
}

/** A special token is written as text or as an object with its text. */
function tokenText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  const content = (value as { content?: unknown } | null | undefined)?.content;
  return typeof content === 'string' ? content : undefined;
}

/** Copies of CLIP's config without a limit contain a huge number. */
function maxLengthOf(config: Readonly<Record<string, unknown>>): number {
  const length = config.model_max_length;
  return typeof length === 'number' && length >= 2 && length <= 10_000
    ? Math.floor(length)
    : DEFAULT_MAX_LENGTH;
}

function matchesAt(words: readonly string[], at: number, wanted: readonly string[]): boolean {
  return wanted.every((word, i) => words[at + i] === word);
}

/**
 * Builds a tokenizer from a vocabulary in memory.
 *
 * @throws UserError when the vocabulary has no start or end token
 */
export function createTokenizer({ vocab, merges, config = {} }: TokenizerOptions): Tokenizer {
  const idOf = (token: string) => (Object.hasOwn(vocab, token) ? vocab[token] : undefined);
  const startId = idOf(START_OF_TEXT);
  const endId = idOf(END_OF_TEXT);
  if (startId === undefined || endId === undefined) {
    throw new UserError(`tokenizer: the vocabulary needs ${START_OF_TEXT} and ${END_OF_TEXT}`);
  }
  const padText = tokenText(config.pad_token) ?? END_OF_TEXT;
  const padId = idOf(padText) ?? endId;
  // Stable Diffusion 2 pads with "!". As a special token it splits prompts before anything else does.
  const isCutAtPad = padId !== endId && padText !== '';
  const maxLength = maxLengthOf(config);
  const ranks = new Map(merges.map((pair, rank) => [pair, rank]));
  const cache = new Map<string, string[]>();

  function pieces(word: string): string[] {
    if (word === START_OF_TEXT || word === END_OF_TEXT || (isCutAtPad && word === padText)) return [word];
    let found = cache.get(word);
    if (found === undefined) {
      found = mergePairs(toSymbols(word), ranks);
      cache.set(word, found);
    }
    return found;
  }

  function wordsOf(text: string): string[] {
    const cleaned = cleanPrompt(text);
    if (!isCutAtPad) return splitWords(cleaned);
    return cleaned
      .split(padText)
      .flatMap((part, i) => (i === 0 ? splitWords(part) : [padText, ...splitWords(part)]));
  }

  return {
    vocabSize: Object.keys(vocab).length,
    maxLength,
    startId,
    endId,
    padId,

    encode(text) {
      const all = wordsOf(text).flatMap(pieces);
      const tokens = all.slice(0, maxLength - 2);
      const ids = new Int32Array(maxLength).fill(padId);
      ids[0] = startId;
      // A piece that the vocabulary lacks becomes the end token, which is CLIP's unknown token.
      tokens.forEach((token, i) => {
        ids[i + 1] = idOf(token) ?? endId;
      });
      ids[tokens.length + 1] = endId;
      const lost = all.length - tokens.length;
      return { ids, tokens, length: tokens.length + 2, truncated: lost > 0, lost };
    },

    tokenPositions(text, word) {
      const words = wordsOf(text);
      const wanted = wordsOf(word);
      if (wanted.length === 0) return [];
      const starts = [1];
      words.forEach((one, i) => {
        starts.push(starts[i] + pieces(one).length);
      });
      const positions: number[] = [];
      for (let at = 0; at + wanted.length <= words.length; at++) {
        if (!matchesAt(words, at, wanted)) continue;
        for (let place = starts[at]; place < starts[at + wanted.length]; place++) positions.push(place);
        at += wanted.length - 1;
      }
      return positions.filter((place) => place < maxLength - 1);
    },
  };
}
