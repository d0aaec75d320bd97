/** @file The tokenizer of Toybox: CLIP's format over the world's closed list of words. */

import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { buildWordVocabulary, createTokenizer, type Tokenizer, tokenizerFiles } from 'sgool/networks';
import { writeFileAtomic } from 'sgool/node';
import { WEIGHTS_FOLDER } from '../paths.ts';
import { WORDS } from '../world/describe.ts';
import { MAX_TOKENS } from './configs.ts';

/** The tokenizer, made from the word list. */
export function toyboxTokenizer(): Tokenizer {
  const { vocab, merges } = buildWordVocabulary(WORDS);
  return createTokenizer({ vocab, merges, config: { model_max_length: MAX_TOKENS } });
}

/** Writes the tokenizer's public files into a component folder, e.g. `tokenizer`. */
export async function writeTokenizer(component: string): Promise<void> {
  const folder = path.join(WEIGHTS_FOLDER, component);
  await mkdir(folder, { recursive: true });
  for (const [name, text] of Object.entries(tokenizerFiles(buildWordVocabulary(WORDS), MAX_TOKENS))) {
    await writeFileAtomic(path.join(folder, name), text);
  }
}
