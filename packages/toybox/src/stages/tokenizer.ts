/** @file The tokenizers of Toybox: CLIP's format over the world's closed lists of words. */

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import {
  buildWordVocabulary,
  createTokenizer,
  type Tokenizer,
  tokenizerFiles,
  type Vocabulary,
  type WordVocabulary,
} from 'sgool/networks';
import { writeFileAtomic } from 'sgool/node';
import { WEIGHTS_FOLDER } from '../paths.ts';
import { WORDS } from '../world/describe.ts';
import { COUNT_WORDS } from '../world/describe-counted.ts';
import { MOVE_WORDS } from '../world/describe-moves.ts';
import { MAX_TOKENS } from './configs.ts';

/** The vocabulary of pictures, which every text tower of Toybox reads. */
export const pictureVocabulary = (): WordVocabulary => buildWordVocabulary(WORDS);

/** That of the text encoder once toybox-motion is trained: the words of pictures keep their ids, the words of moves come behind them. */
export const clipVocabulary = (): WordVocabulary => buildWordVocabulary(MOVE_WORDS, pictureVocabulary());

/** That of toybox-flow: the words of pictures keep their ids, numbers and plurals come behind them. */
export const flowVocabulary = (): WordVocabulary => buildWordVocabulary(COUNT_WORDS, pictureVocabulary());

/** The tokenizer of a vocabulary. Default: that of pictures. @param tokens of a prompt, start and end included */
export function toyboxTokenizer(
  { vocab, merges }: Vocabulary = pictureVocabulary(),
  tokens = MAX_TOKENS,
): Tokenizer {
  return createTokenizer({ vocab, merges, config: { model_max_length: tokens } });
}

/** Writes the tokenizer's public files into a component folder of Toybox, e.g. `tokenizer`. */
export function writeTokenizer(
  component: string,
  vocabulary: WordVocabulary = pictureVocabulary(),
): Promise<void> {
  return writeTokenizerFolder(path.join(WEIGHTS_FOLDER, component), vocabulary, MAX_TOKENS);
}

/** Writes a tokenizer's public files into a folder. @param tokens of a prompt, start and end included */
export async function writeTokenizerFolder(
  folder: string,
  vocabulary: WordVocabulary,
  tokens: number,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(tokenizerFiles(vocabulary, tokens))) {
    await writeFileAtomic(path.join(folder, name), text);
  }
}
