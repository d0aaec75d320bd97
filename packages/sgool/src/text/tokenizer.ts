/** @file CLIP's tokenizer, as Stable Diffusion uses it. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../errors.ts';
import { mergePairs, toSymbols, type Vocabulary } from './byte-pairs.ts';
import { cleanPrompt, splitWords } from './clean.ts';

export const START_OF_TEXT = '<|startoftext|>';
export const END_OF_TEXT = '<|endoftext|>';

/** Tokens that CLIP's text encoders take. */
const DEFAULT_MAX_LENGTH = 77;

/** A prompt as token ids. */
export interface EncodedPrompt {
  /** `[start, ...pieces, end, padding ...]`, exactly `maxLength` ids. */
  ids: Int32Array;
  /** Pieces that are in `ids`, without start, end and padding; the last piece of a word ends in `</w>`. */
  tokens: string[];
  /** Ids before the padding: `tokens.length + 2`. */
  length: number;
  /** True when the prompt was too long; its first tokens and the end token are kept. */
  truncated: boolean;
  /** Tokens that were cut off. */
  lost: number;
}

export interface Tokenizer {
  readonly vocabSize: number;
  /** Length of `ids`, start and end included. */
  readonly maxLength: number;
  readonly startId: number;
  readonly endId: number;
  readonly padId: number;
  encode(text: string): EncodedPrompt;
  /**
   * Places in `encode(text).ids` of every occurrence of a word or phrase, all pieces of it, in order; the first token
   * after the start has place 1. Places lost by truncation are left out; empty when the word does not occur.
   */
  tokenPositions(text: string, word: string): number[];
}

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

/** Copies of CLIP's config with no limit of their own carry a huge number there. */
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
  // Stable Diffusion 2 pads with "!": a special token, which prompts are cut at before anything else.
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
      // A piece that the vocabulary lacks becomes the end token, CLIP's "unknown".
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
      for (const one of words) starts.push(starts.at(-1)! + pieces(one).length);
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

async function readPart(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    const reason = cause.code === 'ENOENT' ? 'the file does not exist' : cause.message;
    throw new UserError(`tokenizer: cannot read ${path}: ${reason}`, { cause });
  });
}

function parseObject(text: string, path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new UserError(`tokenizer: ${path} must hold a JSON object`);
  }
  return value as Record<string, unknown>;
}

function parseMerges(text: string, path: string): string[] {
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  if (lines[0].startsWith('#version')) lines.shift();
  const merges = lines.filter((line) => line !== '');
  const wrong = merges.find((line) => line.split(' ').length !== 2);
  if (wrong !== undefined) {
    throw new UserError(
      `tokenizer: ${path}: a line must hold two symbols, got ${JSON.stringify(wrong.slice(0, 60))}`,
    );
  }
  return merges;
}

/**
 * Loads the tokenizer of a model folder: `vocab.json`, `merges.txt` and, where they are, `tokenizer_config.json` and
 * `special_tokens_map.json`. The latter wins, unless the former is of the newer kind that lists all added tokens, as in
 * transformers: the published Stable Diffusion 2 names another padding in each.
 *
 * @param config keys over those of `tokenizer_config.json`
 * @throws UserError when a file is missing or not what it should be
 */
export async function loadTokenizer(
  dir: string,
  config: Readonly<Record<string, unknown>> = {},
): Promise<Tokenizer> {
  const vocabPath = join(dir, 'vocab.json');
  const mergesPath = join(dir, 'merges.txt');
  const vocab = parseObject(await readPart(vocabPath), vocabPath);
  const wrong = Object.entries(vocab).find(([, id]) => !Number.isSafeInteger(id) || (id as number) < 0);
  if (wrong !== undefined) {
    throw new UserError(
      `tokenizer: ${vocabPath}: ${JSON.stringify(wrong[0])} has id ${JSON.stringify(wrong[1])}`,
    );
  }
  const merges = parseMerges(await readPart(mergesPath), mergesPath);
  const stated = await optionalObject(join(dir, 'tokenizer_config.json'));
  const special =
    'added_tokens_decoder' in stated ? {} : await optionalObject(join(dir, 'special_tokens_map.json'));
  return createTokenizer({
    vocab: vocab as Record<string, number>,
    merges,
    config: { ...stated, ...special, ...config },
  });
}

async function optionalObject(path: string): Promise<Record<string, unknown>> {
  return parseObject(await readFile(path, 'utf8').catch(() => '{}'), path);
}
