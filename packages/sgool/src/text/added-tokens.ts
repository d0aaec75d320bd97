/** @file Tokens that were added to a vocabulary: they are found in a text before it is split into words. */

/** A token beside the vocabulary's own. Reference: tokenizers, `AddedToken` */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Whether it takes the white space before it with it. */
  readonly lstrip?: boolean;
  /** Whether it takes the white space behind it with it. */
  readonly rstrip?: boolean;
  /** Whether it counts only where no letter or digit touches it. */
  readonly single_word?: boolean;
  /** Whether it is looked for in the cleaned text, itself cleaned, rather than in the text as written. Default true. */
  readonly normalized?: boolean;
  /** How many tokens with the next ids come behind it: an embedding of several vectors. Default 0. */
  readonly following?: number;
}

/** A stretch of text, or an added token in its place. */
export type Segment = string | AddedToken;

const WORD_AT_END = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;
const WORD_AT_START = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;

const escaped = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');

/** Cuts the tokens out of a text: the first from the left, and of those that begin there the longest. */
function cutter(tokens: readonly AddedToken[], contentOf: (token: AddedToken) => string) {
  const known = new Map(tokens.map((token) => [contentOf(token), token]));
  known.delete('');
  if (known.size === 0) return (text: string): Segment[] => [text];
  const longestFirst = [...known.keys()].sort((a, b) => b.length - a.length);
  const pattern = new RegExp(longestFirst.map(escaped).join('|'), 'gu');

  return (text: string): Segment[] => {
    const segments: Segment[] = [];
    let done = 0;
    for (const match of text.matchAll(pattern)) {
      const token = known.get(match[0]);
      if (token === undefined) continue;
      const before = text.slice(0, match.index);
      const after = text.slice(match.index + match[0].length);
      if (token.single_word && (WORD_AT_END.test(before) || WORD_AT_START.test(after))) continue;
      const start = token.lstrip ? before.replace(/\p{White_Space}+$/u, '').length : match.index;
      if (start > done) segments.push(text.slice(done, start));
      segments.push(token);
      done = text.length - (token.rstrip ? after.replace(/^\p{White_Space}+/u, '') : after).length;
    }
    if (done < text.length) segments.push(text.slice(done));
    return segments;
  };
}

/**
 * Makes a function that cleans a text and cuts added tokens out of it.
 *
 * Reference: tokenizers, `AddedVocabulary.extract_and_normalize`
 */
export function addedTokenSplitter(
  tokens: readonly AddedToken[],
  clean: (text: string) => string,
): (text: string) => Segment[] {
  const cutWritten = cutter(
    tokens.filter(({ normalized = true }) => !normalized),
    ({ content }) => content,
  );
  const cutCleaned = cutter(
    tokens.filter(({ normalized = true }) => normalized),
    ({ content }) => clean(content),
  );
  return (text) =>
    cutWritten(text).flatMap((segment) =>
      typeof segment === 'string' ? cutCleaned(clean(segment)) : [segment],
    );
}
