/** @file CLIP's vocabulary from the places where people have it: a tokenizer's folder, or OpenAI's own file. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { UserError } from '../errors.ts';
import { byteSymbolsById, END_OF_WORD, type Vocabulary } from './byte-pairs.ts';
import { createTokenizer, END_OF_TEXT, loadTokenizer, START_OF_TEXT, type Tokenizer } from './tokenizer.ts';
import { tokenizerFiles } from './word-vocabulary.ts';

/** Merges that CLIP uses; the file has many more. */
const MERGES = 49152 - 256 - 2;
/** Far more than the file unpacks to, far less than what hurts. */
const MAX_BYTES = 64e6;

/**
 * The vocabulary in `bpe_simple_vocab_16e6.txt.gz`, which lies beside the code of openai/CLIP, OpenCLIP and HPS v2.
 *
 * Reference: openai/CLIP, clip/simple_tokenizer.py
 *
 * @throws UserError when it cannot be read or is something else
 */
export async function readOpenaiVocabulary(path: string): Promise<Vocabulary> {
  const packed = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    const reason = cause.code === 'ENOENT' ? 'the file does not exist' : cause.message;
    throw new UserError(`tokenizer: cannot read ${path}: ${reason}`, { cause });
  });
  let text: string;
  try {
    text = gunzipSync(packed, { maxOutputLength: MAX_BYTES }).toString();
  } catch (cause) {
    throw new UserError(`tokenizer: ${path} is no packed list of merges: ${(cause as Error).message}`, {
      cause,
    });
  }
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

const isPacked = (place: string) => place.endsWith('.gz');

/**
 * A tokenizer from a folder with `vocab.json` and `merges.txt`, or from OpenAI's packed file (`.gz`).
 *
 * @throws UserError when it is not what it should be
 */
export async function openClipTokenizer(place: string): Promise<Tokenizer> {
  return isPacked(place) ? createTokenizer(await readOpenaiVocabulary(place)) : loadTokenizer(place);
}

/**
 * The files of a tokenizer's folder, from either place, to be kept elsewhere.
 *
 * @throws UserError when it is not what it should be
 */
export async function clipTokenizerFiles(place: string): Promise<Record<string, string>> {
  if (isPacked(place)) return tokenizerFiles(await readOpenaiVocabulary(place));
  await loadTokenizer(place);
  const names = ['vocab.json', 'merges.txt', 'tokenizer_config.json'];
  const texts = await Promise.all(
    names.map((name) => readFile(join(place, name), 'utf8').catch(() => undefined)),
  );
  return Object.fromEntries(
    names.flatMap((name, i) => {
      const text = texts[i];
      return text === undefined ? [] : [[name, text]];
    }),
  );
}
