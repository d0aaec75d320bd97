/** @file CLIP's tokenizer, as Stable Diffusion uses it. */

import { UserError } from '../errors.ts';
import { type AddedToken, addedTokenSplitter, type Segment } from './added-tokens.ts';
import { mergePairs, toSymbols, type Vocabulary } from './byte-pairs.ts';
import { type Cleaning, cleanPrompt, splitWords } from './clean.ts';
import { tokenText } from './tokenizer-values.ts';

/** The token that begins every prompt. */
export const START_OF_TEXT = '<|startoftext|>';
/** The token that ends every prompt, pads it, and stands for unknown pieces. */
export const END_OF_TEXT = '<|endoftext|>';

/** Length of the sequences that CLIP's text encoders were trained with. */
const DEFAULT_MAX_LENGTH = 77;

/** A prompt as token ids. */
export interface EncodedPrompt {
  /** `[start, ...pieces, end, padding ...]`, exactly as many as were asked for; T5 has no start. */
  ids: Int32Array;
  /** The pieces in `ids`, without start, end and padding; in CLIP the last piece of a word ends in `</w>`. */
  tokens: string[];
  /** Ids before the padding: those of `tokens`, the start and the end. */
  length: number;
  /** True when the prompt was too long; its first tokens and the end token are kept. */
  truncated: boolean;
  /** Number of tokens that were cut off. */
  lost: number;
}

/** A token of a text. */
export interface TokenPiece {
  readonly id: number;
  readonly text: string;
  /** On the first token of an embedding of several vectors: how many tokens, with it, stay together. */
  readonly together?: number;
}

/** CLIP's tokenizer. */
export interface Tokenizer {
  readonly vocabSize: number;
  /** Length of `ids`, start and end included. */
  readonly maxLength: number;
  readonly startId: number;
  readonly endId: number;
  readonly padId: number;
  /** @param length of `ids`, at least 2. Default `maxLength` */
  encode(text: string, length?: number): EncodedPrompt;
  /** The id of a symbol or an added token, if there is one. */
  idOf(token: string): number | undefined;
  /** The ids of a text of any length without start, end and padding, each with its piece. */
  pieces(text: string): readonly TokenPiece[];
  /**
   * The words of a text that the vocabulary lacks, each once, as they are after cleaning: a piece of them has no id, or they are not in
   * the closed list of words that the vocabulary was made for. Whoever reads the ids learns nothing from them.
   */
  unknownWords(text: string): readonly string[];
  /**
   * Indices in `encode(text).ids` of all pieces of every occurrence of a word or phrase, in order; the first token after the
   * start has index 1. Indices lost by truncation are left out. The list is empty when the word does not occur.
   */
  tokenPositions(text: string, word: string): number[];
}

/** A vocabulary and its settings. */
export interface TokenizerOptions extends Vocabulary {
  /**
   * Content of tokenizer_config.json; `model_max_length` and the tokens `bos_token`, `eos_token`, `unk_token` and `pad_token` are
   * read, each a text or an object with it; and `closed_vocabulary`, where a vocabulary was made for a list of words: that list.
   */
  config?: Readonly<Record<string, unknown>>;
  /** Tokens beside those of the vocabulary. The special tokens of `config` need not be among them. */
  added?: readonly AddedToken[];
  /** Whose rules clean prompts. Default those of transformers. */
  cleaning?: Cleaning;
}

/** Longest sequence that is meant as one. */
const LONGEST = 10_000;

/**
 * Copies of CLIP's config without a limit contain a huge number.
 *
 * @throws UserError for anything but a length
 */
function maxLengthOf({ model_max_length: length }: Readonly<Record<string, unknown>>): number {
  if (length === undefined || length === null) return DEFAULT_MAX_LENGTH;
  if (typeof length === 'number' && length > LONGEST) return DEFAULT_MAX_LENGTH;
  if (typeof length === 'number' && Number.isInteger(length) && length >= 2) return length;
  throw new UserError(
    `tokenizer: model_max_length is not usable, got ${JSON.stringify(length).slice(0, 80)}; it must be a whole number from 2 up`,
  );
}

/**
 * The words that a vocabulary was made for; undefined for one that is open to any.
 *
 * @throws UserError for anything but a list of words
 */
function closedWords({ closed_vocabulary: words }: Readonly<Record<string, unknown>>) {
  if (words === undefined || words === null) return undefined;
  if (Array.isArray(words) && words.every((word) => typeof word === 'string')) return new Set<string>(words);
  throw new UserError(
    `tokenizer: closed_vocabulary must be a list of words, got ${JSON.stringify(words).slice(0, 80)}`,
  );
}

function matchesAt(words: readonly Word[], at: number, wanted: readonly Word[]): boolean {
  return wanted.every(({ text }, i) => words[at + i].text === text);
}

/** The special tokens of a tokenizer by what they are for. */
function specialTokens(config: Readonly<Record<string, unknown>>) {
  const start = tokenText(config.bos_token) ?? START_OF_TEXT;
  const end = tokenText(config.eos_token) ?? END_OF_TEXT;
  const unknown = tokenText(config.unk_token) ?? END_OF_TEXT;
  return { start, end, unknown, pad: tokenText(config.pad_token) ?? END_OF_TEXT };
}

/** A word or an added token as ids, with the pieces that they stand for. */
interface Word {
  readonly text: string;
  readonly ids: readonly number[];
  readonly pieces: readonly string[];
  /** Whether the vocabulary has it. */
  readonly isKnown: boolean;
  /** Whether its ids stay together where a prompt is divided. */
  readonly isWhole?: boolean;
}

/** An added token as ids: several where it stands for an embedding of several vectors. */
function wordOf({ id, content, following = 0 }: AddedToken): Word {
  const behind = Array.from({ length: following }, (_, i) => i + 1);
  return {
    text: content,
    ids: [id, ...behind.map((i) => id + i)],
    pieces: [content, ...behind.map((i) => `${content}_${i}`)],
    isKnown: true,
    ...(following === 0 ? {} : { isWhole: true }),
  };
}

/**
 * Builds a tokenizer from a vocabulary in memory.
 *
 * @throws UserError when the vocabulary has no start or end token
 */
export function createTokenizer({
  vocab,
  merges,
  config = {},
  added = [],
  cleaning = 'transformers',
}: TokenizerOptions): Tokenizer {
  const addedIds = new Map(added.map(({ content, id }) => [content, id]));
  const idOf = (token: string) => (Object.hasOwn(vocab, token) ? vocab[token] : addedIds.get(token));
  const special = specialTokens(config);
  const startId = idOf(special.start);
  const endId = idOf(special.end);
  if (startId === undefined || endId === undefined) {
    throw new UserError(`tokenizer: the vocabulary needs ${special.start} and ${special.end}`);
  }
  const unknownId = idOf(special.unknown) ?? endId;
  const padId = idOf(special.pad) ?? endId;
  const maxLength = maxLengthOf(config);
  const closed = closedWords(config);
  const ranks = new Map(merges.map((pair, rank) => [pair, rank]));
  const cache = new Map<string, Word>();

  // Stable Diffusion 2 pads with "!", which as a special token splits prompts before anything else does.
  const tokens = [...added];
  for (const content of new Set(Object.values(special))) {
    const id = idOf(content);
    if (id === undefined || added.some((token) => token.content === content)) continue;
    tokens.push({ normalized: false, id, content });
  }
  const segments =
    cleaning === 'openai'
      ? (text: string): Segment[] => [cleanPrompt(text, cleaning)]
      : addedTokenSplitter(tokens, (text) => cleanPrompt(text, cleaning));

  function toWord(text: string): Word {
    if (cleaning === 'openai' && (text === START_OF_TEXT || text === END_OF_TEXT)) {
      return { text, ids: [idOf(text) ?? unknownId], pieces: [text], isKnown: true };
    }
    let found = cache.get(text);
    if (found === undefined) {
      const pieces = mergePairs(toSymbols(text), ranks);
      // A piece that the vocabulary lacks becomes the unknown token, which is CLIP's end token.
      const ids = pieces.map(idOf);
      const isKnown = closed?.has(text) ?? !ids.includes(undefined);
      found = { text, pieces, ids: ids.map((id) => id ?? unknownId), isKnown };
      cache.set(text, found);
    }
    return found;
  }

  function wordsOf(text: string): Word[] {
    return segments(text).flatMap((segment) =>
      typeof segment === 'string' ? splitWords(segment, cleaning).map(toWord) : [wordOf(segment)],
    );
  }

  const piecesOf = (text: string) =>
    wordsOf(text).flatMap(({ ids, pieces, isWhole }) =>
      ids.map((id, i): TokenPiece => {
        const piece = { id, text: pieces[i] };
        return isWhole && i === 0 ? { ...piece, together: ids.length } : piece;
      }),
    );

  return {
    vocabSize:
      Object.keys(vocab).length + added.filter(({ content }) => !Object.hasOwn(vocab, content)).length,
    maxLength,
    startId,
    endId,
    padId,
    idOf,
    pieces: piecesOf,
    unknownWords: (text) => [
      ...new Set(wordsOf(text).flatMap(({ text: word, isKnown }) => (isKnown ? [] : [word]))),
    ],

    encode(text, length = maxLength) {
      const all = piecesOf(text);
      const kept = all.slice(0, length - 2);
      const ids = new Int32Array(length).fill(padId);
      ids[0] = startId;
      kept.forEach(({ id }, i) => {
        ids[i + 1] = id;
      });
      ids[kept.length + 1] = endId;
      const lost = all.length - kept.length;
      return {
        ids,
        tokens: kept.map((piece) => piece.text),
        length: kept.length + 2,
        truncated: lost > 0,
        lost,
      };
    },

    tokenPositions(text, word) {
      const words = wordsOf(text);
      const wanted = wordsOf(word);
      if (wanted.length === 0) return [];
      const starts = [1];
      words.forEach(({ ids }, i) => {
        starts.push(starts[i] + ids.length);
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
