/** @file CLIP's vocabulary in either of its published forms: a tokenizer's folder, or OpenAI's own file. */
import { compression, files } from '#platform';
import { UserError } from '../errors.ts';
import { SIZE_LIMITS } from '../platform/size-limits.ts';
import { byteSymbolsById, END_OF_WORD, type Vocabulary } from './byte-pairs.ts';
import type { Cleaning } from './clean.ts';
import { parseTokenizer } from './clip-tokenizer-files.ts';
import { loadTokenizer } from './load-tokenizer.ts';
import { createTokenizer, END_OF_TEXT, START_OF_TEXT, type Tokenizer } from './tokenizer.ts';
import { readTokenizerTexts, TOKENIZER_FILES, type TokenizerTexts } from './tokenizer-files.ts';
import { tokenizerFiles } from './word-vocabulary.ts';

/** The number of merges that CLIP uses; the file has many more. */
const MERGES = 49152 - 256 - 2;
/** Limit of the unpacked size, against hostile files; far above what the real file unpacks to. */
const MAX_BYTES = 64e6;

/**
 * Parses the merges of `bpe_simple_vocab_16e6.txt` into a vocabulary.
 *
 * Reference: openai/CLIP, clip/simple_tokenizer.py
 *
 * @param path for messages
 * @throws UserError when the text is something else
 */
export function parseOpenaiVocabulary(text: string, path: string): Vocabulary {
  const merges = text
    .split('\n')
    .slice(1, 1 + MERGES)
    .filter((line) => line !== '');
  if (merges.length === 0 || merges.some((line) => line.split(' ').length !== 2)) {
    throw new UserError(`tokenizer: ${path}: after the first line, each must hold two symbols`);
  }
  const bytes = byteSymbolsById();
  const tokens = [
    ...bytes,
    ...bytes.map((symbol) => symbol + END_OF_WORD),
    ...merges.map((pair) => pair.replace(' ', '')),
    START_OF_TEXT,
    END_OF_TEXT,
  ];
  return { vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges };
}

/**
 * Reads the vocabulary in `bpe_simple_vocab_16e6.txt.gz`, which is published with the code of openai/CLIP, OpenCLIP and
 * HPS v2.
 *
 * @throws UserError when it cannot be read or is something else
 */
export async function readOpenaiVocabulary(path: string): Promise<Vocabulary> {
  const packed = await files.readBytes(path, SIZE_LIMITS.vocabulary);
  let text: string;
  try {
    text = new TextDecoder().decode(compression.gunzip(packed, MAX_BYTES));
  } catch (cause) {
    throw new UserError(`tokenizer: ${path} is not a packed list of merges: ${(cause as Error).message}`, {
      cause,
    });
  }
  return parseOpenaiVocabulary(text, path);
}

const isPacked = (place: string) => place.endsWith('.gz');

/**
 * Opens a tokenizer: a folder with `tokenizer.json` or `vocab.json` and `merges.txt`, or OpenAI's packed file (`.gz`).
 *
 * @param cleaning whose rules clean prompts; default OpenAI's for its own file, else those of transformers
 * @throws UserError when it is not what it should be
 */
export async function openClipTokenizer(place: string, cleaning?: Cleaning): Promise<Tokenizer> {
  return isPacked(place)
    ? createTokenizer({ ...(await readOpenaiVocabulary(place)), cleaning: cleaning ?? 'openai' })
    : loadTokenizer(place, { cleaning });
}

/**
 * Reads the files of a tokenizer's folder, from either form, to be stored elsewhere.
 *
 * @returns texts by file name
 *
 * @throws UserError when it is not what it should be
 */
export async function clipTokenizerFiles(place: string): Promise<Record<string, string>> {
  if (isPacked(place)) return tokenizerFiles(await readOpenaiVocabulary(place));
  const texts = await readTokenizerTexts(place);
  parseTokenizer(texts, place);
  const named = Object.entries(texts) as [keyof TokenizerTexts, string][];
  return Object.fromEntries(named.map(([name, text]) => [TOKENIZER_FILES[name], text]));
}
