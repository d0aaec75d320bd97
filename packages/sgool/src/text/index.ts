/** @file Floor 1: prompts as tokens. */

export type { Vocabulary } from './byte-pairs.ts';
export { cleanPrompt, splitWords } from './clean.ts';
export { clipTokenizerFiles, openClipTokenizer, readOpenaiVocabulary } from './clip-vocabulary.ts';
export { fittedIds } from './fitted-ids.ts';
export {
  createTokenizer,
  END_OF_TEXT,
  type EncodedPrompt,
  loadTokenizer,
  START_OF_TEXT,
  type Tokenizer,
  type TokenizerOptions,
} from './tokenizer.ts';
export {
  createWordPieceTokenizer,
  loadBlipTokenizer,
  type WordPieces,
  type WordPieceTokenizer,
} from './word-piece.ts';
export { buildWordVocabulary, tokenizerFiles } from './word-vocabulary.ts';
