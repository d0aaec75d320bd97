/** @file CLIP's tokenizer from the files of a `tokenizer` folder. */
import { files, places } from '#platform';
import { UserError } from '../errors.ts';
import { parseJsonObject } from '../platform/json.ts';
import { SIZE_LIMITS } from '../platform/size-limits.ts';
import type { AddedToken } from './added-tokens.ts';
import type { Vocabulary } from './byte-pairs.ts';
import type { Cleaning } from './clean.ts';
import { type EmbeddingWord, embeddingTokens } from './embedding-tokens.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';
import { parseTokenizerJson } from './tokenizer-json.ts';
import { type JsonObject, parseAddedToken, parseIds, tokenFlags } from './tokenizer-values.ts';

/** The texts of a tokenizer's files: either `tokenizer`, or `vocab` and `merges`. */
export interface TokenizerTexts {
  /** `tokenizer.json`: the whole tokenizer. Read rather than `vocab` and `merges`, as transformers does. */
  readonly tokenizer?: string;
  /** `vocab.json`: a JSON object from symbols to ids. */
  readonly vocab?: string;
  /** `merges.txt`: two symbols a line, the most urgent merge first. */
  readonly merges?: string;
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
  config: 'tokenizer_config.json',
  specialTokens: 'special_tokens_map.json',
  addedTokens: 'added_tokens.json',
};

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

/** Keys of `tokenizer_config.json` that change ids, and the values that are supported. */
const SUPPORTED: Readonly<Record<string, readonly unknown[]>> = {
  tokenizer_class: [undefined, null, ...CLASSES],
  split_special_tokens: [undefined, null, false],
  add_bos_token: [undefined, null, true],
  add_eos_token: [undefined, null, true],
  padding_side: [undefined, null, 'right'],
  truncation_side: [undefined, null, 'right'],
};

function checkConfig(config: JsonObject, path: string): void {
  for (const [key, allowed] of Object.entries(SUPPORTED)) {
    if (allowed.includes(config[key])) continue;
    throw new UserError(
      `tokenizer: ${path}: ${key} ${JSON.stringify(config[key])} is not supported; CLIP's is ${JSON.stringify(allowed[2])}`,
    );
  }
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

/** Tokens of the keys that list special tokens of no use here, as texts or objects. */
function extraSpecialTokens(
  config: JsonObject,
  keys: readonly string[] = ['additional_special_tokens', 'extra_special_tokens'],
): JsonObject[] {
  return keys.flatMap((key) => {
    const listed = config[key];
    const tokens = Array.isArray(listed) ? listed : Object.values((listed as JsonObject | undefined) ?? {});
    return tokens.flatMap((token: unknown) => {
      if (typeof token === 'string') return [{ content: token, normalized: false }];
      return typeof token === 'object' && token !== null ? [token as JsonObject] : [];
    });
  });
}

const SPECIAL_KEYS = ['bos_token', 'eos_token', 'unk_token', 'pad_token'];

/** Special tokens by name, as objects. */
function namedSpecialTokens(config: JsonObject): JsonObject[] {
  return SPECIAL_KEYS.flatMap((key) => {
    const value = config[key];
    if (typeof value === 'string') return [{ content: value, normalized: false }];
    return typeof value === 'object' && value !== null ? [value as JsonObject] : [];
  });
}

/** Added tokens in the order in which transformers reads them: a later one replaces one of the same text. */
function addedTokens(
  texts: TokenizerTexts,
  config: JsonObject,
  inFile: readonly AddedToken[],
  pathOf: (name: keyof TokenizerTexts) => string,
): AddedToken[] {
  const decoder = config.added_tokens_decoder;
  if (typeof decoder === 'object' && decoder !== null) {
    const listed = Object.entries(decoder).map(([id, token]) =>
      parseAddedToken(token, Number(id), pathOf('config')),
    );
    return [...inFile, ...listed];
  }
  const special = new Set(
    [...namedSpecialTokens(config), ...extraSpecialTokens(config, ['extra_special_tokens'])].map(
      ({ content }) => content,
    ),
  );
  const path = pathOf('addedTokens');
  const ids = parseIds(parseJsonObject(texts.addedTokens ?? '{}', `tokenizer: ${path}`, 'any'), path);
  const separate = Object.entries(ids).map(([content, id]) => ({
    content,
    id,
    normalized: !special.has(content),
  }));
  return [...separate, ...inFile];
}

/** Checks ids against the vocabulary, and gives special tokens without an id the next ones. */
function settle(vocab: Vocabulary['vocab'], listed: readonly AddedToken[], config: JsonObject, path: string) {
  const added = new Map(listed.map((token) => [token.content, token]));
  const owners = new Map(Object.entries(vocab).map(([symbol, id]) => [id, symbol]));
  for (const { content, id } of added.values()) {
    const owner = owners.get(id);
    const own = Object.hasOwn(vocab, content) ? vocab[content] : undefined;
    if ((owner !== undefined && owner !== content) || (own !== undefined && own !== id)) {
      const [quoted, other] = [content, owner ?? content].map((each) => JSON.stringify(each));
      throw new UserError(
        `tokenizer: ${path}: the added token ${quoted} has id ${id}, but in the vocabulary ${other} has id ${owner === undefined ? own : id}`,
      );
    }
    owners.set(id, content);
  }
  let next = owners.size;
  for (const token of [...namedSpecialTokens(config), ...extraSpecialTokens(config)]) {
    const { content } = token;
    if (typeof content !== 'string' || added.has(content)) continue;
    const id = Object.hasOwn(vocab, content) ? vocab[content] : next++;
    added.set(content, { ...tokenFlags(token), id, content });
  }
  return [...added.values()];
}

function parseVocabulary(texts: TokenizerTexts, pathOf: (name: keyof TokenizerTexts) => string) {
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
 * Builds a tokenizer from the texts of its files. `special_tokens_map.json` overrides `tokenizer_config.json`, unless the
 * latter lists all added tokens (`added_tokens_decoder`), as in transformers: the published Stable Diffusion 2 names
 * another padding in each.
 *
 * @param dir of the files, for messages
 * @throws UserError when a text is not what it should be, or asks for what is not supported
 */
export function parseTokenizer(
  texts: TokenizerTexts,
  dir: string,
  { config: overriding = {}, cleaning, embeddings = [] }: LoadTokenizerOptions = {},
): Tokenizer {
  const pathOf = (name: keyof TokenizerTexts) => places.join(dir, TOKENIZER_FILES[name]);
  const stated = parseJsonObject(texts.config ?? '{}', `tokenizer: ${pathOf('config')}`);
  checkConfig(stated, pathOf('config'));
  const special =
    'added_tokens_decoder' in stated
      ? {}
      : parseJsonObject(texts.specialTokens ?? '{}', `tokenizer: ${pathOf('specialTokens')}`);
  const config: JsonObject = { ...stated, ...special, ...overriding };
  const { vocab, merges, added: inFile } = parseVocabulary(texts, pathOf);
  const added = settle(vocab, addedTokens(texts, config, inFile, pathOf), config, dir);
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

/** Whether a folder holds the vocabulary of a CLIP. */
export async function hasTokenizer(dir: string): Promise<boolean> {
  for (const name of [TOKENIZER_FILES.vocab, TOKENIZER_FILES.tokenizer]) {
    if (await files.exists(places.join(dir, name))) return true;
  }
  return false;
}

/**
 * Reads the files of a tokenizer's folder as they are.
 *
 * @throws UserError when a file cannot be read
 */
export async function readTokenizerTexts(dir: string): Promise<TokenizerTexts> {
  const texts: { -readonly [name in keyof TokenizerTexts]: string } = {};
  for (const name of Object.keys(TOKENIZER_FILES) as (keyof TokenizerTexts)[]) {
    const path = places.join(dir, TOKENIZER_FILES[name]);
    const text = await readIfThere(path);
    if (text !== undefined) texts[name] = text;
  }
  return texts;
}

async function readIfThere(path: string): Promise<string | undefined> {
  return (await files.exists(path)) ? files.readText(path, SIZE_LIMITS.vocabulary) : undefined;
}

/**
 * Loads the tokenizer of a model folder: `tokenizer.json`, or `vocab.json` and `merges.txt`; and, where they exist,
 * `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`; see {@link parseTokenizer}.
 *
 * @param dir a folder; in a browser its URL
 * @throws UserError when a file is missing or not what it should be
 */
export async function loadTokenizer(dir: string, options: LoadTokenizerOptions = {}): Promise<Tokenizer> {
  return parseTokenizer(await readTokenizerTexts(dir), dir, options);
}
