/**
 * @file The tokenizer of a `tokenizer` folder, of whatever kind it is: its files say which one.
 */
import { files, places } from '#platform';
import { UserError } from '../errors.ts';
import { parseJsonObject } from '../platform/json.ts';
import { SIZE_LIMITS } from '../platform/size-limits.ts';
import { parseBertTokenizer } from './bert-tokenizer-files.ts';
import { type LoadTokenizerOptions, parseTokenizer } from './clip-tokenizer-files.ts';
import type { Tokenizer } from './tokenizer.ts';
import {
  readSentencePiece,
  readTokenizerTexts,
  SENTENCE_PIECE_FILE,
  TOKENIZER_FILES,
} from './tokenizer-files.ts';
import type { JsonObject } from './tokenizer-values.ts';
import { parseT5Tokenizer } from './unigram/t5-tokenizer-files.ts';
import type { UnigramTokenizer } from './unigram/unigram-tokenizer.ts';
import type { WordPieceTokenizer } from './word-piece.ts';

/** A tokenizer with the model that divides its words: byte pairs as in CLIP, word pieces as in BERT, or the likeliest pieces as in T5. */
export type OpenedTokenizer =
  | { readonly model: 'BPE'; readonly tokenizer: Tokenizer }
  | { readonly model: 'WordPiece'; readonly tokenizer: WordPieceTokenizer }
  | { readonly model: 'Unigram'; readonly tokenizer: UnigramTokenizer };

type Model = OpenedTokenizer['model'];

/** Whose tokenizer each model is. */
export const TOKENIZER_OWNERS = {
  BPE: 'CLIP',
  WordPiece: 'BERT',
  Unigram: 'T5',
} as const satisfies Readonly<Record<Model, string>>;

const isModel = (value: unknown): value is Model =>
  typeof value === 'string' && Object.hasOwn(TOKENIZER_OWNERS, value);

/** The file that each model is known by, where there is no `tokenizer.json`; the first that is there counts. */
const KNOWN_BY: Readonly<Record<string, Model>> = {
  [TOKENIZER_FILES.vocab]: 'BPE',
  [TOKENIZER_FILES.merges]: 'BPE',
  [SENTENCE_PIECE_FILE]: 'Unigram',
  [TOKENIZER_FILES.wordPieces]: 'WordPiece',
};

/** What `tokenizer.json` says of its model; old files do not, where it is of byte pairs. */
function statedModel(text: string, path: string): Model {
  const { model } = parseJsonObject(text, `tokenizer: ${path}`, 'any');
  if (typeof model !== 'object' || model === null) throw new UserError(`tokenizer: ${path} has no model`);
  const { type, merges } = model as JsonObject;
  if (isModel(type)) return type;
  if (type === undefined && merges !== undefined) return 'BPE';
  const known = Object.entries(TOKENIZER_OWNERS).map(([name, owner]) => `${name} (${owner}'s)`);
  throw new UserError(
    `tokenizer: ${path}: model.type is ${JSON.stringify(type)}, which is not supported; known are ${known.join(', ')}`,
  );
}

/**
 * Which model the tokenizer of a folder has.
 *
 * @returns undefined where there is no tokenizer
 * @throws UserError where `tokenizer.json` states one that is not supported
 */
export async function tokenizerModel(dir: string): Promise<OpenedTokenizer['model'] | undefined> {
  const whole = places.join(dir, TOKENIZER_FILES.tokenizer);
  if (await files.exists(whole)) {
    return statedModel(await files.readText(whole, SIZE_LIMITS.vocabulary), whole);
  }
  for (const [name, model] of Object.entries(KNOWN_BY)) {
    if (await files.exists(places.join(dir, name))) return model;
  }
  return undefined;
}

/** Whether a folder holds a tokenizer, of any kind. */
export async function hasTokenizer(dir: string): Promise<boolean> {
  for (const name of [TOKENIZER_FILES.tokenizer, ...Object.keys(KNOWN_BY)]) {
    if (await files.exists(places.join(dir, name))) return true;
  }
  return false;
}

/**
 * Opens the tokenizer of a model folder: `tokenizer.json`, whose model says what it is; or `vocab.json` and `merges.txt` (CLIP), `spiece.model` (T5),
 * `vocab.txt` (BERT); and, where they exist, `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`.
 *
 * @param dir a folder; in a browser its URL
 * @param options for byte pairs
 * @throws UserError when a file is missing or not what it should be
 */
export async function openTokenizer(
  dir: string,
  options: LoadTokenizerOptions = {},
): Promise<OpenedTokenizer> {
  const model = await tokenizerModel(dir);
  if (model === undefined) {
    throw new UserError(
      `tokenizer: ${dir} has none; it must hold tokenizer.json, or vocab.json and merges.txt (CLIP's), ${SENTENCE_PIECE_FILE} (T5's) or vocab.txt (BERT's)`,
    );
  }
  const texts = await readTokenizerTexts(dir);
  if (model === 'WordPiece') return { model, tokenizer: parseBertTokenizer(texts, dir) };
  if (model === 'BPE') return { model, tokenizer: parseTokenizer(texts, dir, options) };
  return { model, tokenizer: parseT5Tokenizer(texts, await readSentencePiece(dir), dir) };
}

const otherModel = (dir: string, found: Model, needed: Model) =>
  new UserError(
    `tokenizer: ${dir}: its model is ${found}, that of ${TOKENIZER_OWNERS[found]}'s tokenizer; ${TOKENIZER_OWNERS[needed]}'s is needed here, whose model is ${needed}`,
  );

/**
 * Opens a folder that must hold CLIP's tokenizer; see {@link openTokenizer}.
 *
 * @throws UserError also where it holds another kind
 */
export async function loadTokenizer(dir: string, options: LoadTokenizerOptions = {}): Promise<Tokenizer> {
  const { model, tokenizer } = await openTokenizer(dir, options);
  if (model !== 'BPE') throw otherModel(dir, model, 'BPE');
  return tokenizer;
}

/**
 * Opens a folder that must hold T5's tokenizer; see {@link openTokenizer}.
 *
 * @throws UserError also where it holds another kind
 */
export async function loadT5Tokenizer(dir: string): Promise<UnigramTokenizer> {
  const { model, tokenizer } = await openTokenizer(dir);
  if (model !== 'Unigram') throw otherModel(dir, model, 'Unigram');
  return tokenizer;
}
