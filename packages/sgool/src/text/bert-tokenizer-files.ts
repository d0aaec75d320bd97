/** @file BERT's tokenizer from the texts of its files: `tokenizer.json`, or `vocab.txt`. */
import { UserError } from '../errors.ts';
import { parseJsonObject } from '../platform/json.ts';
import { COMMON_SETTINGS, type TokenizerRules, tokenizerConfig } from './tokenizer-config.ts';
import { pathsIn, type TokenizerTexts } from './tokenizer-files.ts';
import { type JsonObject, parseIds } from './tokenizer-values.ts';
import { createWordPieceTokenizer, linesOf, type WordPieceTokenizer } from './word-piece.ts';

const CLASSES = ['BertTokenizer', 'BertTokenizerFast', 'PreTrainedTokenizerFast', 'TokenizersBackend'];

const special = (token: string) => [undefined, null, token];

const RULES: TokenizerRules = {
  whose: "BERT's",
  supported: {
    tokenizer_class: [undefined, null, ...CLASSES],
    do_lower_case: [undefined, null, true],
    strip_accents: [undefined, null, true],
    tokenize_chinese_chars: [undefined, null, true],
    unk_token: special('[UNK]'),
    sep_token: special('[SEP]'),
    cls_token: special('[CLS]'),
    pad_token: special('[PAD]'),
    mask_token: special('[MASK]'),
    ...COMMON_SETTINGS,
  },
};

/** Parts of `tokenizer.json` that change ids, by their keys, and what BERT has. */
const PARTS: Readonly<Record<string, Readonly<Record<string, readonly unknown[]>>>> = {
  model: {
    continuing_subword_prefix: [undefined, '##'],
    max_input_chars_per_word: [undefined, 100],
    unk_token: ['[UNK]'],
  },
  normalizer: {
    type: ['BertNormalizer'],
    clean_text: [true],
    handle_chinese_chars: [true],
    strip_accents: [undefined, null, true],
    lowercase: [true],
  },
  pre_tokenizer: { type: ['BertPreTokenizer'] },
};

/**
 * Builds a tokenizer from the texts of its files.
 *
 * @param dir of the files, for messages
 * @throws UserError when a text is not what it should be, or asks for what is not supported: BERT for lower-case English is
 */
export function parseBertTokenizer(texts: TokenizerTexts, dir: string): WordPieceTokenizer {
  const pathOf = pathsIn(dir);
  tokenizerConfig(texts, pathOf, RULES);
  const pieces =
    texts.tokenizer === undefined
      ? linesOf(texts.wordPieces ?? '')
      : piecesOf(texts.tokenizer, pathOf('tokenizer'));
  return createWordPieceTokenizer(pieces);
}

/** The pieces of a `tokenizer.json` in the order of their ids. */
function piecesOf(text: string, path: string): string[] {
  const file = parseJsonObject(text, `tokenizer: ${path}`, 'any');
  for (const [part, keys] of Object.entries(PARTS)) {
    const stated = (file[part] ?? {}) as JsonObject;
    for (const [key, allowed] of Object.entries(keys)) {
      if (allowed.includes(stated[key])) continue;
      throw new UserError(
        `tokenizer: ${path}: ${part}.${key} is ${JSON.stringify(stated[key])}, which is not supported; BERT's is ${JSON.stringify(allowed.at(-1))}`,
      );
    }
  }
  const ids = parseIds((file.model as JsonObject).vocab, `${path}: model.vocab`);
  const pieces = Object.keys(ids).sort((a, b) => ids[a] - ids[b]);
  const gap = pieces.findIndex((piece, id) => ids[piece] !== id);
  if (gap >= 0)
    throw new UserError(`tokenizer: ${path}: model.vocab: no piece, or more than one, has the id ${gap}`);
  return pieces;
}
