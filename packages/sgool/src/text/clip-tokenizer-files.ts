/** @file CLIP's tokenizer from the texts of its files. */
import { UserError } from '../errors.ts';
import { parseJsonObject } from '../platform/json.ts';
import type { Cleaning } from './clean.ts';
import { type EmbeddingWord, embeddingTokens } from './embedding-tokens.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';
import {
  addedTokens,
  COMMON_SETTINGS,
  SPECIAL_KEYS,
  type TokenizerRules,
  tokenizerConfig,
} from './tokenizer-config.ts';
import { type PathOf, pathsIn, type TokenizerTexts } from './tokenizer-files.ts';
import { parseTokenizerJson } from './tokenizer-json.ts';
import { type JsonObject, parseIds } from './tokenizer-values.ts';

/** Settings beside a tokenizer's files. */
export interface LoadTokenizerOptions {
  /** Keys that override those of `tokenizer_config.json`. */
  readonly config?: JsonObject;
  /** Whose rules clean prompts. Default those of transformers. */
  readonly cleaning?: Cleaning;
  /** Words of embeddings, which become tokens. */
  readonly embeddings?: readonly EmbeddingWord[];
}

/** Classes that read text as CLIP's tokenizer does, where their files are CLIP's. */
const CLASSES = ['CLIPTokenizer', 'CLIPTokenizerFast', 'PreTrainedTokenizerFast', 'TokenizersBackend'];

const RULES: TokenizerRules = {
  whose: "CLIP's",
  supported: {
    tokenizer_class: [undefined, null, ...CLASSES],
    add_bos_token: [undefined, null, true],
    add_eos_token: [undefined, null, true],
    ...COMMON_SETTINGS,
  },
};

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

function parseVocabulary(texts: TokenizerTexts, pathOf: PathOf) {
  if (texts.tokenizer !== undefined) return parseTokenizerJson(texts.tokenizer, pathOf('tokenizer'));
  if (texts.vocab === undefined || texts.merges === undefined) {
    throw new UserError(
      `tokenizer: ${pathOf(texts.vocab === undefined ? 'vocab' : 'merges')}: the file does not exist; a tokenizer is tokenizer.json, or vocab.json and merges.txt`,
    );
  }
  const path = pathOf('vocab');
  return {
    vocab: parseIds(parseJsonObject(texts.vocab, `tokenizer: ${path}`, 'any'), path),
    merges: parseMerges(texts.merges, pathOf('merges')),
    added: [],
  };
}

/**
 * Builds a tokenizer from the texts of its files: `tokenizer`, or `vocab` and `merges`; see `tokenizerConfig`.
 *
 * @param dir of the files, for messages
 * @throws UserError when a text is not what it should be, or asks for what is not supported
 */
export function parseTokenizer(
  texts: TokenizerTexts,
  dir: string,
  { config: overriding, cleaning, embeddings = [] }: LoadTokenizerOptions = {},
): Tokenizer {
  const pathOf = pathsIn(dir);
  const config = tokenizerConfig(texts, pathOf, RULES, overriding);
  const { vocab, merges, added: inFile } = parseVocabulary(texts, pathOf);
  const added = addedTokens(vocab, texts, config, inFile, pathOf, dir);
  const known = new Set([...added.map(({ content }) => content), ...SPECIAL_KEYS.map((key) => config[key])]);
  const taken = embeddings.find(({ word }) => known.has(word));
  if (taken !== undefined) {
    throw new UserError(
      `embedding: ${taken.word} is a token of the tokenizer ${dir} already; give another word: file=word`,
    );
  }
  return createTokenizer({
    vocab,
    merges,
    config,
    added: [...added, ...embeddingTokens(embeddings)],
    cleaning,
  });
}
