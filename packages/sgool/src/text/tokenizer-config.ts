/** @file The settings of a tokenizer, and the tokens beside those of its vocabulary, as its files list them. */
import { UserError } from '../errors.ts';
import { parseJsonObject } from '../platform/json.ts';
import type { AddedToken } from './added-tokens.ts';
import type { PathOf, TokenizerTexts } from './tokenizer-files.ts';
import { type JsonObject, parseAddedToken, parseIds, tokenFlags } from './tokenizer-values.ts';

/** What the settings of one kind of tokenizer may be. */
export interface TokenizerRules {
  /** Whose tokenizer it is, for messages. */
  readonly whose: string;
  /** Keys of `tokenizer_config.json` that change ids, and the values that are supported: absent, null, then what is usual. */
  readonly supported: Readonly<Record<string, readonly unknown[]>>;
}

/** Settings that mean the same for every kind, and the values that are supported. */
export const COMMON_SETTINGS: TokenizerRules['supported'] = {
  split_special_tokens: [undefined, null, false],
  padding_side: [undefined, null, 'right'],
  truncation_side: [undefined, null, 'right'],
};

/**
 * The settings of a tokenizer. `special_tokens_map.json` overrides `tokenizer_config.json`, unless the latter lists all added tokens
 * (`added_tokens_decoder`), as in transformers: the published Stable Diffusion 2 names another padding in each.
 *
 * @param overriding keys over those of the files
 * @throws UserError where they are not JSON, or a value is not supported
 */
export function tokenizerConfig(
  texts: TokenizerTexts,
  pathOf: PathOf,
  { whose, supported }: TokenizerRules,
  overriding: JsonObject = {},
): JsonObject {
  const stated = parseJsonObject(texts.config ?? '{}', `tokenizer: ${pathOf('config')}`);
  for (const [key, allowed] of Object.entries(supported)) {
    if (allowed.includes(stated[key])) continue;
    throw new UserError(
      `tokenizer: ${pathOf('config')}: ${key} ${JSON.stringify(stated[key])} is not supported; ${whose} is ${JSON.stringify(allowed[2])}`,
    );
  }
  const special =
    'added_tokens_decoder' in stated
      ? {}
      : parseJsonObject(texts.specialTokens ?? '{}', `tokenizer: ${pathOf('specialTokens')}`);
  return { ...stated, ...special, ...overriding };
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

export const SPECIAL_KEYS = ['bos_token', 'eos_token', 'unk_token', 'pad_token'];

/** Special tokens by name, as objects. */
function namedSpecialTokens(config: JsonObject): JsonObject[] {
  return SPECIAL_KEYS.flatMap((key) => {
    const value = config[key];
    if (typeof value === 'string') return [{ content: value, normalized: false }];
    return typeof value === 'object' && value !== null ? [value as JsonObject] : [];
  });
}

/** Added tokens in the order in which transformers reads them: a later one replaces one of the same text. */
function listedTokens(
  texts: TokenizerTexts,
  config: JsonObject,
  inFile: readonly AddedToken[],
  pathOf: PathOf,
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

/**
 * The added tokens of a tokenizer: those that its files list, and special tokens that they only name, which get the next ids.
 *
 * @param vocab ids by symbol
 * @param inFile those of `tokenizer.json`
 * @param dir for messages
 * @throws UserError where an id belongs to another symbol
 */
export function addedTokens(
  vocab: Readonly<Record<string, number>>,
  texts: TokenizerTexts,
  config: JsonObject,
  inFile: readonly AddedToken[],
  pathOf: PathOf,
  dir: string,
): AddedToken[] {
  const added = new Map(listedTokens(texts, config, inFile, pathOf).map((token) => [token.content, token]));
  const owners = new Map(Object.entries(vocab).map(([symbol, id]) => [id, symbol]));
  for (const { content, id } of added.values()) {
    const owner = owners.get(id);
    const own = Object.hasOwn(vocab, content) ? vocab[content] : undefined;
    if ((owner !== undefined && owner !== content) || (own !== undefined && own !== id)) {
      const [quoted, other] = [content, owner ?? content].map((each) => JSON.stringify(each));
      throw new UserError(
        `tokenizer: ${dir}: the added token ${quoted} has id ${id}, but in the vocabulary ${other} has id ${owner === undefined ? own : id}`,
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
