/**
 * @file T5's tokenizer: words are divided into the pieces that are likeliest together.
 *
 * Reference: Kudo 2018, "Subword Regularization: Improving Neural Network Translation Models with Multiple Subword Candidates", section 3.2;
 * tokenizers, models/unigram/model.rs and pre_tokenizers/metaspace.rs, whose ids these are
 */
import { type AddedToken, addedTokenSplitter } from '../added-tokens.ts';
import type { EncodedPrompt, TokenPiece } from '../tokenizer.ts';

/** Stands before each word in place of the space. */
const SPACE = '\u2581';
/** How much less likely an unknown letter is than the least likely piece. */
const UNKNOWN_PENALTY = 10;

/** A piece and the logarithm of its probability. */
export type ScoredPiece = readonly [piece: string, score: number];

/** A vocabulary and its settings. */
export interface UnigramOptions {
  /** In the order of their ids. */
  readonly pieces: readonly ScoredPiece[];
  /** Id of letters that no piece has. */
  readonly unknownId: number;
  /** Id behind each text. */
  readonly endId: number;
  readonly padId: number;
  /** Applied to a text before it is divided. */
  readonly normalise: (text: string) => string;
  /** Tokens that are found in a text before anything else. */
  readonly added: readonly AddedToken[];
}

/** T5's tokenizer. */
export interface UnigramTokenizer {
  /** Added tokens included. */
  readonly vocabSize: number;
  readonly endId: number;
  readonly padId: number;
  /**
   * A text as ids: `[...pieces, end, padding ...]`, exactly `maxLength`; what is too long is cut off before the end token.
   *
   * @param maxLength at least 1
   */
  encode(text: string, maxLength: number): EncodedPrompt;
  /** The ids of a text of any length without end and padding, each with its piece. */
  pieces(text: string): readonly TokenPiece[];
  /** The parts of a text that no piece has, each once: they become the unknown token. */
  unknownWords(text: string): readonly string[];
}

/** Builds a tokenizer from a vocabulary in memory. */
export function createUnigramTokenizer(options: UnigramOptions): UnigramTokenizer {
  const { endId, padId, added } = options;
  const segments = addedTokenSplitter(added, options.normalise);
  const divide = divider(options);
  const known = new Map<string, readonly TokenPiece[]>();

  function piecesOf(word: string): readonly TokenPiece[] {
    let found = known.get(word);
    if (found === undefined) known.set(word, (found = divide(word)));
    return found;
  }

  const pieces = (text: string): TokenPiece[] =>
    segments(wellFormed(text)).flatMap((segment) =>
      typeof segment === 'string'
        ? words(segment).flatMap(piecesOf)
        : [{ id: segment.id, text: segment.content }],
    );

  const own = new Set([...options.pieces.map(([piece]) => piece), ...added.map(({ content }) => content)]);
  return {
    vocabSize: own.size,
    endId,
    padId,
    pieces,
    unknownWords: (text) => [
      ...new Set(pieces(text).flatMap(({ id, text: piece }) => (id === options.unknownId ? [piece] : []))),
    ],
    encode(text, maxLength) {
      const all = pieces(text);
      const kept = all.slice(0, maxLength - 1);
      const ids = new Int32Array(maxLength).fill(padId);
      ids.set([...kept.map(({ id }) => id), endId]);
      const lost = all.length - kept.length;
      const tokens = kept.map((piece) => piece.text);
      return { ids, tokens, length: kept.length + 1, truncated: lost > 0, lost };
    },
  };
}

/** Halves of surrogate pairs, which UTF-8 does not have, as the replacement character. */
function wellFormed(text: string): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(text));
}

/** Words with the sign of the space in front; where a text has that sign itself, it begins a word as well. */
function words(text: string): string[] {
  const spaced = text.split(/\p{White_Space}+/u).filter((word) => word !== '');
  return spaced.flatMap(
    (word) => (word.startsWith(SPACE) ? word : SPACE + word).match(/\u2581[^\u2581]*/gu) ?? [],
  );
}

/** Makes the function that finds the likeliest pieces of a word (Viterbi). */
function divider({ pieces, unknownId }: UnigramOptions): (word: string) => TokenPiece[] {
  const ids = new Map(pieces.map(([piece], id) => [piece, id]));
  let longest = 1;
  let worst = Number.POSITIVE_INFINITY;
  for (const [piece, score] of pieces) {
    longest = Math.max(longest, [...piece].length);
    worst = Math.min(worst, score);
  }
  const unknownScore = worst - UNKNOWN_PENALTY;

  return (word) => {
    const letters = [...word];
    const count = letters.length;
    /** Of the best way to each place: its score, and where its last piece begins and which one it is. */
    const best = new Float64Array(count + 1);
    const from = new Int32Array(count + 1).fill(-1);
    const last = new Int32Array(count + 1);
    const offer = (start: number, end: number, id: number, score: number) => {
      const total = best[start] + score;
      // Of equals the first one stays.
      if (from[end] >= 0 && total <= best[end]) return;
      best[end] = total;
      from[end] = start;
      last[end] = id;
    };
    for (let start = 0; start < count; start++) {
      let text = '';
      for (let end = start + 1; end <= Math.min(count, start + longest); end++) {
        text += letters[end - 1];
        const id = ids.get(text);
        if (id !== undefined) offer(start, end, id, pieces[id][1]);
        else if (end === start + 1) offer(start, end, unknownId, unknownScore);
      }
    }
    const found: TokenPiece[] = [];
    for (let end = count; end > 0; end = from[end]) {
      const text = letters.slice(from[end], end).join('');
      const before = found.at(-1);
      // Unknown letters side by side are one unknown token.
      if (last[end] === unknownId && before?.id === unknownId) {
        found[found.length - 1] = { id: unknownId, text: text + before.text };
      } else found.push({ id: last[end], text });
    }
    return found.reverse();
  };
}
