/** @file `tokenizer.json`: a whole tokenizer in one file, as the library tokenizers writes it. */
import { UserError } from '../errors.ts';
import { parseJsonObject } from '../platform/json.ts';
import type { AddedToken } from './added-tokens.ts';
import { END_OF_WORD, type Vocabulary } from './byte-pairs.ts';
import { type JsonObject, parseAddedToken, parseIds, sequenceOf } from './tokenizer-values.ts';

/** What such a file holds. */
export interface TokenizerJson extends Vocabulary {
  readonly added: readonly AddedToken[];
}

/** The words of CLIP's pre-tokenizer, with or without the special tokens in front. */
const WORD_PATTERNS = ['', '<\\|startoftext\\|>|<\\|endoftext\\|>|'].map(
  (special) => `${special}'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+`,
);

const same = (value: unknown, wanted: unknown) => JSON.stringify(value) === JSON.stringify(wanted);

/** The normalizer of CLIP: composed, white space collapsed, lower case. */
function isClipNormalizer(value: unknown): boolean {
  const [nfc, replace, lower, ...others] = sequenceOf(value, 'normalizers') as JsonObject[];
  return (
    others.length === 0 &&
    nfc?.type === 'NFC' &&
    replace?.type === 'Replace' &&
    same(replace.pattern, { Regex: '\\s+' }) &&
    replace.content === ' ' &&
    lower?.type === 'Lowercase'
  );
}

/** The pre-tokenizer of CLIP: the words, then their bytes. */
function isClipPreTokenizer(value: unknown): boolean {
  const [split, bytes, ...others] = sequenceOf(value, 'pretokenizers') as JsonObject[];
  const pattern = (split?.pattern as JsonObject | undefined)?.Regex;
  return (
    others.length === 0 &&
    split?.type === 'Split' &&
    split.behavior === 'Removed' &&
    split.invert === true &&
    WORD_PATTERNS.includes(String(pattern)) &&
    bytes?.type === 'ByteLevel' &&
    bytes.add_prefix_space === false
  );
}

/** Values of the model that change which ids come out, and what CLIP has. */
const MODEL_VALUES: Readonly<Record<string, readonly unknown[]>> = {
  type: ['BPE'],
  dropout: [undefined, null, 0],
  continuing_subword_prefix: [undefined, null, ''],
  end_of_word_suffix: [END_OF_WORD],
  byte_fallback: [undefined, null, false],
  ignore_merges: [undefined, null, false],
};

/** Each as `first second`: older files hold it so, newer ones as a list of two. */
function parsePairs(value: unknown, path: string): string[] {
  if (!Array.isArray(value)) throw new UserError(`tokenizer: ${path}: model.merges must be a list`);
  return value.map((pair: unknown) => {
    const parts = typeof pair === 'string' ? pair.split(' ') : pair;
    if (Array.isArray(parts) && parts.length === 2 && parts.every((part) => typeof part === 'string')) {
      return parts.join(' ');
    }
    throw new UserError(
      `tokenizer: ${path}: a merge must hold two symbols, got ${JSON.stringify(pair)?.slice(0, 60)}`,
    );
  });
}

/**
 * Parses a `tokenizer.json` of CLIP.
 *
 * @param path for messages
 * @throws UserError when it is something else, or of another kind of tokenizer; the part that differs is named
 */
export function parseTokenizerJson(text: string, path: string): TokenizerJson {
  const {
    model,
    normalizer,
    pre_tokenizer,
    added_tokens = [],
  } = parseJsonObject(text, `tokenizer: ${path}`, 'any');
  if (typeof model !== 'object' || model === null) throw new UserError(`tokenizer: ${path} has no model`);
  const stated = model as JsonObject;
  for (const [key, allowed] of Object.entries(MODEL_VALUES)) {
    if (!allowed.includes(stated[key])) {
      throw new UserError(
        `tokenizer: ${path}: model.${key} is ${JSON.stringify(stated[key])}, which is not supported; CLIP's is ${JSON.stringify(allowed.at(-1))}`,
      );
    }
  }
  if (!isClipNormalizer(normalizer)) {
    throw new UserError(
      `tokenizer: ${path}: its normalizer is not supported; CLIP's is NFC, white space to one space, lower case`,
    );
  }
  if (!isClipPreTokenizer(pre_tokenizer)) {
    throw new UserError(
      `tokenizer: ${path}: its pre_tokenizer is not supported; CLIP's splits words and then bytes`,
    );
  }
  if (!Array.isArray(added_tokens)) throw new UserError(`tokenizer: ${path}: added_tokens must be a list`);
  return {
    vocab: parseIds(stated.vocab, `${path}: model.vocab`),
    merges: parsePairs(stated.merges, path),
    added: added_tokens.map((token) => parseAddedToken(token, (token as JsonObject | null)?.id, path)),
  };
}
