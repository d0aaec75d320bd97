/**
 * @file Which tokens of one prompt are which of another: for words that are swapped, and for words that were added or left out.
 *
 * Reference: Hertz et al. 2022, "Prompt-to-Prompt Image Editing with Cross Attention Control", section 4; the score of the alignment (1
 * for a match, -1 for a mismatch, 0 for a gap) is that of its published code.
 */

/** How the attention to the tokens of a target follows that to those of a source. */
export interface TokenAlignment {
  /** [tokens, tokens]: the share of each source token's attention that each target token gets. */
  readonly mapping: Float32Array;
  /** [tokens]: 1 for target tokens that keep their own attention, 0 for the others. */
  readonly keep: Float32Array;
}

/**
 * Aligns the pieces of two prompts in conditionings of one length. With as many words in both, words follow one another by their number (the
 * pieces of a word with another count share those of its counterpart), else equal pieces do, and what is new keeps its own attention. Start,
 * end and padding follow their own.
 *
 * @param source pieces without start and end; the last piece of a word ends in `</w>`
 * @param tokens of the conditionings, start and end included
 */
export function alignTokens(
  source: readonly string[],
  target: readonly string[],
  tokens: number,
): TokenAlignment {
  const mapping = new Float32Array(tokens * tokens);
  const keep = new Float32Array(tokens).fill(1);
  const follow = (from: number, to: number, share = 1) => {
    mapping[from * tokens + to] = share;
    keep[to] = 0;
  };
  const [own, other] = [wordsOf(source), wordsOf(target)];
  const pairs =
    own.length === other.length
      ? own.flatMap((word, i) => swapped(word, other[i]))
      : longestMatch(source, target).map(([from, to]) => [from, to, 1] as const);
  follow(0, 0);
  for (const [from, to, share] of pairs) follow(from + 1, to + 1, share);
  follow(source.length + 1, target.length + 1);
  for (let at = target.length + 2; at < tokens; at++) follow(at, at);
  return { mapping, keep };
}

/** The indices of the pieces of each word. */
function wordsOf(pieces: readonly string[]): number[][] {
  const words: number[][] = [[]];
  pieces.forEach((piece, i) => {
    words[words.length - 1].push(i);
    if (piece.endsWith('</w>') && i < pieces.length - 1) words.push([]);
  });
  return words;
}

/** One by one where there are as many; else each piece of the one word gets an equal share of all pieces of the other. */
function swapped(word: readonly number[], other: readonly number[]): (readonly [number, number, number])[] {
  if (word.length === other.length) return word.map((from, i) => [from, other[i], 1]);
  return word.flatMap((from) => other.map((to) => [from, to, 1 / other.length] as const));
}

/** Pairs of equal pieces in the alignment of the highest score. Reference: Needleman and Wunsch 1970. */
function longestMatch(source: readonly string[], target: readonly string[]): [from: number, to: number][] {
  const columns = target.length + 1;
  const score = new Float64Array((source.length + 1) * columns);
  const at = (i: number, j: number) => score[i * columns + j];
  const same = (i: number, j: number) => (source[i - 1] === target[j - 1] ? 1 : -1);
  for (let i = 1; i <= source.length; i++) {
    for (let j = 1; j <= target.length; j++) {
      score[i * columns + j] = Math.max(at(i - 1, j - 1) + same(i, j), at(i - 1, j), at(i, j - 1));
    }
  }
  const pairs: [number, number][] = [];
  for (let [i, j] = [source.length, target.length]; i > 0 && j > 0; ) {
    if (same(i, j) === 1 && at(i, j) === at(i - 1, j - 1) + 1) {
      i--;
      j--;
      pairs.unshift([i, j]);
    } else if (at(i, j) === at(i, j - 1)) j--;
    else i--;
  }
  return pairs;
}
