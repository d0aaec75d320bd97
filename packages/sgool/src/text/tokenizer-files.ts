/** @file The files of a `tokenizer` folder. */
import { files, places } from '#platform';
import { SIZE_LIMITS } from '../platform/size-limits.ts';

/** The texts of a tokenizer's files: `tokenizer`, or `vocab` and `merges`, or `wordPieces`. */
export interface TokenizerTexts {
  /** `tokenizer.json`: the whole tokenizer. Read rather than the other forms, as transformers does. */
  readonly tokenizer?: string;
  /** `vocab.json`: a JSON object from symbols to ids. */
  readonly vocab?: string;
  /** `merges.txt`: two symbols a line, the most urgent merge first. */
  readonly merges?: string;
  /** `vocab.txt`: word pieces, one a line. */
  readonly wordPieces?: string;
  /** `tokenizer_config.json`, where there is one. */
  readonly config?: string;
  /** `special_tokens_map.json`, where there is one. */
  readonly specialTokens?: string;
  /** `added_tokens.json`, where there is one: ids by their tokens. */
  readonly addedTokens?: string;
}

/** Names of the files. */
export const TOKENIZER_FILES: Readonly<Record<keyof TokenizerTexts, string>> = {
  tokenizer: 'tokenizer.json',
  vocab: 'vocab.json',
  merges: 'merges.txt',
  wordPieces: 'vocab.txt',
  config: 'tokenizer_config.json',
  specialTokens: 'special_tokens_map.json',
  addedTokens: 'added_tokens.json',
};

/** Name of the one file that is no text. */
export const SENTENCE_PIECE_FILE = 'spiece.model';

/** Gives the path of a file of a folder, for messages. */
export type PathOf = (name: keyof TokenizerTexts) => string;

export const pathsIn =
  (dir: string): PathOf =>
  (name) =>
    places.join(dir, TOKENIZER_FILES[name]);

/**
 * Reads the texts of a tokenizer's folder as they are.
 *
 * @throws UserError when a file cannot be read
 */
export async function readTokenizerTexts(dir: string): Promise<TokenizerTexts> {
  const pathOf = pathsIn(dir);
  const texts: { -readonly [name in keyof TokenizerTexts]: string } = {};
  for (const name of Object.keys(TOKENIZER_FILES) as (keyof TokenizerTexts)[]) {
    if (await files.exists(pathOf(name)))
      texts[name] = await files.readText(pathOf(name), SIZE_LIMITS.vocabulary);
  }
  return texts;
}

/**
 * Reads SentencePiece's model of a tokenizer's folder.
 *
 * @returns undefined where there is none
 * @throws UserError when it cannot be read
 */
export async function readSentencePiece(dir: string): Promise<Uint8Array | undefined> {
  const path = places.join(dir, SENTENCE_PIECE_FILE);
  return (await files.exists(path)) ? files.readBytes(path, SIZE_LIMITS.vocabulary) : undefined;
}
