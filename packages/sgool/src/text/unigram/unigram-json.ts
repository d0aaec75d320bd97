/** @file `tokenizer.json` of a unigram model, as transformers writes it for T5. */
import { UserError } from '../../errors.ts';
import { bytesOfBase64 } from '../../platform/bytes.ts';
import { parseJsonObject } from '../../platform/json.ts';
import type { AddedToken } from '../added-tokens.ts';
import { type JsonObject, parseAddedToken, sequenceOf } from '../tokenizer-values.ts';
import type { SentencePieceModel } from './sentence-piece.ts';
import type { ScoredPiece } from './unigram-tokenizer.ts';

/** What such a file holds. */
export interface UnigramJson extends SentencePieceModel {
  readonly added: readonly AddedToken[];
}

const same = (value: unknown, wanted: unknown) => JSON.stringify(value) === JSON.stringify(wanted);

/** What transformers 4 puts behind the table of replacements: both are done by how words are split. */
function isSpaceNormalizer({ type, strip_left, strip_right, pattern, content }: JsonObject): boolean {
  if (type === 'Strip') return strip_left === false && strip_right === true;
  return type === 'Replace' && same(pattern, { Regex: ' {2,}' }) && content === '\u2581';
}

/** The charsmap of a normalizer that is one, or one of T5; undefined where there is none. */
function charsmapOf(normalizer: unknown, wrong: (what: string) => UserError): Uint8Array | undefined {
  if (normalizer === null || normalizer === undefined) return undefined;
  const [first, ...others] = sequenceOf(normalizer, 'normalizers') as JsonObject[];
  const { type, precompiled_charsmap: charsmap } = first ?? {};
  if (type !== 'Precompiled' || typeof charsmap !== 'string' || !others.every(isSpaceNormalizer)) {
    throw wrong("its normalizer is not supported; T5's is Precompiled");
  }
  const bytes = bytesOfBase64(charsmap);
  if (bytes === undefined) throw wrong('its precompiled_charsmap is not base64; get the file again');
  return bytes;
}

/** Whether words are split at white space, with the sign of the space in front of each. */
function isT5PreTokenizer(value: unknown): boolean {
  const parts = sequenceOf(value, 'pretokenizers') as JsonObject[];
  const split = parts.length === 2 && parts[0]?.type === 'WhitespaceSplit' ? parts.slice(1) : parts;
  const [{ type, replacement, prepend_scheme: scheme, add_prefix_space: prefix, split: splits } = {}] = split;
  return (
    split.length === 1 &&
    type === 'Metaspace' &&
    replacement === '\u2581' &&
    (scheme === 'always' || (scheme === undefined && prefix === true)) &&
    splits !== false
  );
}

/** Whether a text is followed by the end token, and has nothing in front. */
function isT5Template(value: unknown): boolean {
  const { type, single } = (value ?? {}) as JsonObject;
  if (type !== 'TemplateProcessing' || !Array.isArray(single) || single.length !== 2) return false;
  const [text, end] = single as [JsonObject, JsonObject];
  return (
    (text?.Sequence as JsonObject)?.id === 'A' && typeof (end?.SpecialToken as JsonObject)?.id === 'string'
  );
}

function parsePieces(value: unknown, wrong: (what: string) => UserError): ScoredPiece[] {
  if (!Array.isArray(value) || value.length === 0) throw wrong('model.vocab must be a list of pieces');
  const odd = value.find(
    (pair: unknown) =>
      !Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== 'string' || !Number.isFinite(pair[1]),
  );
  if (odd === undefined) return value as ScoredPiece[];
  throw wrong(`a piece must be a text with a score, got ${JSON.stringify(odd)?.slice(0, 60)}`);
}

/** Settings for the padding and truncation of texts, of which the length is asked for by the network. */
function checkSide(value: unknown, name: string, wrong: (what: string) => UserError): void {
  const { direction = 'Right' } = (value ?? {}) as JsonObject;
  if (direction === 'Right') return;
  throw wrong(`${name}.direction ${JSON.stringify(direction)} is not supported; T5's is "Right"`);
}

/**
 * Parses a `tokenizer.json` of T5. Of it, transformers' T5Tokenizer reads the pieces, the table of replacements, the added tokens and the template;
 * white space is always split at, so the two forms in which files write that are read alike.
 *
 * @param path for messages
 * @throws UserError when it is something else, or of another kind of tokenizer; the part that differs is named
 */
export function parseUnigramJson(text: string, path: string): UnigramJson {
  const wrong = (what: string) => new UserError(`tokenizer: ${path}: ${what}`);
  const file = parseJsonObject(text, `tokenizer: ${path}`, 'any');
  const { model, normalizer, pre_tokenizer, post_processor, added_tokens: added = [] } = file;
  const { vocab, unk_id: unknownId, byte_fallback: fallback = false } = (model ?? {}) as JsonObject;
  const pieces = parsePieces(vocab, wrong);
  if (fallback !== false) throw wrong('model.byte_fallback is true, which is not supported; T5 has false');
  if (!Number.isInteger(unknownId) || (unknownId as number) < 0 || (unknownId as number) >= pieces.length) {
    throw wrong(`model.unk_id must be the id of a piece, got ${JSON.stringify(unknownId)}`);
  }
  const charsmap = charsmapOf(normalizer, wrong);
  if (!isT5PreTokenizer(pre_tokenizer)) {
    throw wrong(
      "its pre_tokenizer is not supported; T5's is WhitespaceSplit, then Metaspace with prepend_scheme always",
    );
  }
  if (!isT5Template(post_processor)) {
    throw wrong("its post_processor is not supported; T5's puts the end token behind the text");
  }
  checkSide(file.padding, 'padding', wrong);
  checkSide(file.truncation, 'truncation', wrong);
  if (!Array.isArray(added)) throw wrong('added_tokens must be a list');
  return {
    pieces,
    unknownId: unknownId as number,
    charsmap,
    added: added.map((token) => parseAddedToken(token, (token as JsonObject | null)?.id, path)),
  };
}
