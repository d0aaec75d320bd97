/** @file CLIP's tokenizer from the files of a `tokenizer` folder. */
import { files, places } from '#platform';
import { UserError } from '../errors.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

/** The texts of a tokenizer's files. */
export interface TokenizerTexts {
  /** `vocab.json`: a JSON object from symbols to ids. */
  readonly vocab: string;
  /** `merges.txt`: two symbols a line, the most urgent merge first. */
  readonly merges: string;
  /** `tokenizer_config.json`, where there is one. */
  readonly config?: string;
  /** `special_tokens_map.json`, where there is one. */
  readonly specialTokens?: string;
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

function parseVocabulary(text: string, path: string): Record<string, number> {
  const vocab = parseObject(text, path);
  const wrong = Object.entries(vocab).find(([, id]) => !Number.isSafeInteger(id) || (id as number) < 0);
  if (wrong !== undefined) {
    const [symbol, id] = wrong.map((each) => JSON.stringify(each));
    throw new UserError(`tokenizer: ${path}: ${symbol} has id ${id}; ids must be whole numbers from 0`);
  }
  return vocab as Record<string, number>;
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
 * Builds a tokenizer from the texts of its files. `special_tokens_map.json` overrides `tokenizer_config.json`, unless the
 * latter is of the newer kind that lists all added tokens, as in transformers: the published Stable Diffusion 2 names
 * another padding in each.
 *
 * @param dir of the files, for messages
 * @param config keys that override those of `tokenizer_config.json`
 * @throws UserError when a text is not what it should be
 */
export function parseTokenizer(
  texts: TokenizerTexts,
  dir: string,
  config: Readonly<Record<string, unknown>> = {},
): Tokenizer {
  const pathOf = (name: string) => places.join(dir, name);
  const stated = parseObject(texts.config ?? '{}', pathOf('tokenizer_config.json'));
  const special =
    'added_tokens_decoder' in stated
      ? {}
      : parseObject(texts.specialTokens ?? '{}', pathOf('special_tokens_map.json'));
  return createTokenizer({
    vocab: parseVocabulary(texts.vocab, pathOf('vocab.json')),
    merges: parseMerges(texts.merges, pathOf('merges.txt')),
    config: { ...stated, ...special, ...config },
  });
}

/**
 * Loads the tokenizer of a model folder: `vocab.json`, `merges.txt` and, where they exist, `tokenizer_config.json` and
 * `special_tokens_map.json`; see {@link parseTokenizer}.
 *
 * @param dir a folder; in a browser its URL
 * @param config keys that override those of `tokenizer_config.json`
 * @throws UserError when a file is missing or not what it should be
 */
export async function loadTokenizer(
  dir: string,
  config: Readonly<Record<string, unknown>> = {},
): Promise<Tokenizer> {
  const read = (name: string) => files.readText(places.join(dir, name));
  const optional = (name: string) => read(name).catch(() => undefined);
  const texts = {
    vocab: await read('vocab.json'),
    merges: await read('merges.txt'),
    config: await optional('tokenizer_config.json'),
    specialTokens: await optional('special_tokens_map.json'),
  };
  return parseTokenizer(texts, dir, config);
}
