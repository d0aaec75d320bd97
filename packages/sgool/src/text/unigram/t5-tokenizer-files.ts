/** @file T5's tokenizer from its files: `tokenizer.json`, or SentencePiece's `spiece.model`. */
import { places } from '#platform';
import { UserError } from '../../errors.ts';
import type { AddedToken } from '../added-tokens.ts';
import { addedTokens, COMMON_SETTINGS, type TokenizerRules, tokenizerConfig } from '../tokenizer-config.ts';
import { pathsIn, SENTENCE_PIECE_FILE, type TokenizerTexts } from '../tokenizer-files.ts';
import { type JsonObject, tokenText } from '../tokenizer-values.ts';
import { createCharsmap } from './charsmap.ts';
import { parseSentencePiece } from './sentence-piece.ts';
import { parseUnigramJson, type UnigramJson } from './unigram-json.ts';
import { createUnigramTokenizer, type UnigramTokenizer } from './unigram-tokenizer.ts';

const CLASSES = ['T5Tokenizer', 'T5TokenizerFast', 'PreTrainedTokenizerFast', 'TokenizersBackend'];

const RULES: TokenizerRules = {
  whose: "T5's",
  supported: {
    tokenizer_class: [undefined, null, ...CLASSES],
    add_bos_token: [undefined, null, false],
    add_eos_token: [undefined, null, true],
    ...COMMON_SETTINGS,
  },
};

/** Names of special tokens where no file gives others. */
const DEFAULTS: JsonObject = { eos_token: '</s>', unk_token: '<unk>', pad_token: '<pad>' };
/** Sentinels behind the pieces of SentencePiece, as T5 was trained with. */
const EXTRA_IDS = 100;
const MOST_EXTRA_IDS = 10_000;

/**
 * Builds a tokenizer from its files.
 *
 * @param model the bytes of `spiece.model`, which are read where there is no `tokenizer.json`
 * @param dir of the files, for messages
 * @throws UserError when a file is not what it should be, or asks for what is not supported
 */
export function parseT5Tokenizer(
  texts: TokenizerTexts,
  model: Uint8Array | undefined,
  dir: string,
): UnigramTokenizer {
  const pathOf = pathsIn(dir);
  const config = { ...DEFAULTS, ...tokenizerConfig(texts, pathOf, RULES) };
  const path = texts.tokenizer === undefined ? places.join(dir, SENTENCE_PIECE_FILE) : pathOf('tokenizer');
  const file = readModel(texts, model, config, path);
  const ids = Object.fromEntries(file.pieces.map(([piece], id) => [piece, id]));
  const added = addedTokens(ids, texts, config, file.added, pathOf, dir);
  const known = new Map(added.map(({ content, id }) => [content, id]));
  const idOf = (key: string) => {
    const token = tokenText(config[key]);
    const id = token === undefined ? undefined : known.get(token);
    if (id !== undefined) return id;
    throw new UserError(`tokenizer: ${dir}: ${key} must name a token, got ${JSON.stringify(config[key])}`);
  };
  return createUnigramTokenizer({
    pieces: file.pieces,
    unknownId: file.unknownId,
    endId: idOf('eos_token'),
    padId: idOf('pad_token'),
    normalise: file.charsmap === undefined ? (text) => text : createCharsmap(file.charsmap, path),
    added,
  });
}

function readModel(
  { tokenizer }: TokenizerTexts,
  model: Uint8Array | undefined,
  { extra_ids: stated }: JsonObject,
  path: string,
): UnigramJson {
  if (tokenizer !== undefined) return parseUnigramJson(tokenizer, path);
  if (model === undefined) throw new UserError(`tokenizer: ${path}: the file does not exist`);
  const { pieces, ...others } = parseSentencePiece(model, path);
  const count = stated ?? EXTRA_IDS;
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 0 || count > MOST_EXTRA_IDS) {
    throw new UserError(
      `tokenizer: ${path}: extra_ids must be a whole number from 0 to ${MOST_EXTRA_IDS}, got ${JSON.stringify(stated)}`,
    );
  }
  // The highest number comes first.
  const sentinels = Array.from({ length: count }, (_, i) => `<extra_id_${count - 1 - i}>`);
  const added = sentinels.map(
    (content, i): AddedToken => ({ content, id: pieces.length + i, normalized: false }),
  );
  return { ...others, pieces: [...pieces, ...sentinels.map((content) => [content, 0] as const)], added };
}
