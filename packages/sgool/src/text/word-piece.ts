/**
 * @file BERT's tokenizer for lower-case English, as BLIP uses it. Reference: transformers, BertTokenizer; Wu et al. 2016,
 * Google's Neural Machine Translation System, section 4.1 (word pieces).
 */
import { files } from '#platform';
import { UserError } from '../errors.ts';
import { SIZE_LIMITS } from '../platform/size-limits.ts';
import type { EncodedPrompt, TokenPiece } from './tokenizer.ts';

const [PADDING, UNKNOWN, START, END] = ['[PAD]', '[UNK]', '[CLS]', '[SEP]'] as const;
/** Tokens that are kept whole wherever a text contains them. */
const SPECIAL = [PADDING, UNKNOWN, START, END, '[MASK]'];
/** Tokens that BLIP appends to the vocabulary of bert-base-uncased. */
export const BLIP_TOKENS = ['[DEC]', '[ENC]'] as const;
/** Longer words (in characters) become the unknown token. */
const LONGEST_WORD = 100;

/** BERT's tokenizer. */
export interface WordPieceTokenizer {
  /** Added tokens included. */
  readonly vocabSize: number;
  readonly padId: number;
  /** @param maxLength of `ids`, start and end included */
  encode(text: string, maxLength: number): EncodedPrompt;
  /** The words of a text that cannot be composed of pieces, each once: they become the unknown token. */
  unknownWords(text: string): readonly string[];
}

/**
 * Builds a tokenizer.
 *
 * @param vocabulary pieces in the order of their ids; a piece that continues a word begins with `##`
 * @param added special tokens, with the ids after those of the vocabulary
 * @throws UserError when a special token is missing
 */
export function createWordPieceTokenizer(
  vocabulary: readonly string[],
  added: readonly string[] = [],
): WordPieceTokenizer {
  const ids = new Map([...vocabulary, ...added].map((piece, id) => [piece, id]));
  const idOf = (piece: string) => {
    const id = ids.get(piece);
    if (id !== undefined) return id;
    throw new UserError(`word pieces: the vocabulary has no ${piece}; vocab.txt of bert-base-uncased has it`);
  };
  const [padId, unknown, start, end] = [PADDING, UNKNOWN, START, END].map(idOf) as [
    number,
    number,
    number,
    number,
  ];
  const special = new Set([...SPECIAL.filter((token) => ids.has(token)), ...added]);
  const pattern = new RegExp(`(${[...special].map((token) => token.replace(/[[\]]/g, '\\$&')).join('|')})`);

  /** Takes the longest piece that fits, again and again. A word that cannot be composed of pieces is unknown as a whole. */
  function pieces(word: string): TokenPiece[] {
    const letters = [...word];
    const unknownWord = { id: unknown, text: UNKNOWN };
    if (letters.length > LONGEST_WORD) return [unknownWord];
    const found: TokenPiece[] = [];
    for (let at = 0; at < letters.length; ) {
      let until = letters.length;
      let text = '';
      for (; until > at; until--) {
        text = (at > 0 ? '##' : '') + letters.slice(at, until).join('');
        if (ids.has(text)) break;
      }
      if (until === at) return [unknownWord];
      found.push({ id: idOf(text), text });
      at = until;
    }
    return found;
  }

  /** The words of a text; special tokens are whole. */
  const divided = (text: string): string[] =>
    text.split(pattern).flatMap((part) => (special.has(part) ? [part] : splitBertWords(part)));

  return {
    vocabSize: ids.size,
    padId,
    unknownWords: (text) => [
      ...new Set(divided(text).filter((part) => !special.has(part) && pieces(part)[0].id === unknown)),
    ],
    encode(text, maxLength) {
      const all = divided(text).flatMap((part) =>
        special.has(part) ? [{ id: idOf(part), text: part }] : pieces(part),
      );
      const kept = all.slice(0, Math.max(0, maxLength - 2));
      const out = new Int32Array(maxLength).fill(padId);
      out.set([start, ...kept.map(({ id }) => id), end].slice(0, maxLength));
      const lost = all.length - kept.length;
      return {
        ids: out,
        tokens: kept.map((piece) => piece.text),
        length: Math.min(maxLength, kept.length + 2),
        truncated: lost > 0,
        lost,
      };
    },
  };
}

/** Characters that are removed: control, format and private characters, and the replacement character. */
const LEFT_OUT = /[\0\uFFFD]|(?![\t\n\r])[\p{Cc}\p{Cf}\p{Co}]/gu;
const WHITE_SPACE = /\p{White_Space}/gu;
/** Chinese characters, each a word of its own; not the syllables of Japanese and Korean. */
const IDEOGRAPH =
  /[\u4E00-\u9FFF\u3400-\u4DBF\u{20000}-\u{2A6DF}\u{2A700}-\u{2B73F}\u{2B740}-\u{2B81F}\u{2B820}-\u{2CEAF}\uF900-\uFAFF\u{2F800}-\u{2FA1F}]/gu;
/** All of ASCII that is neither letter, digit nor space, and what Unicode calls punctuation. */
const WORDS = /[!-/:-@[-`{-~\p{P}]|[^ !-/:-@[-`{-~\p{P}]+/gu;

/** Words and single punctuation marks: cleaned, without accents, in lower case. */
function splitBertWords(text: string): string[] {
  const clean = text
    .replace(LEFT_OUT, '')
    .replace(WHITE_SPACE, ' ')
    .replace(IDEOGRAPH, ' $& ')
    .normalize('NFD')
    .replace(/\p{Mn}/gu, '');
  // Letter by letter: in context, the last sigma of a word would become another letter.
  const lower = Array.from(clean, (letter) => letter.toLowerCase()).join('');
  return lower.match(WORDS) ?? [];
}

/**
 * Loads BLIP's tokenizer: bert-base-uncased with two more tokens.
 *
 * @param path of `vocab.txt`, one piece in a line
 * @throws UserError when it cannot be read or is something else
 */
export async function loadBlipTokenizer(path: string): Promise<WordPieceTokenizer> {
  return createWordPieceTokenizer(linesOf(await files.readText(path, SIZE_LIMITS.vocabulary)), BLIP_TOKENS);
}

/** The pieces of a `vocab.txt`, one a line. */
export function linesOf(text: string): string[] {
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
}
