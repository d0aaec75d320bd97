/**
 * @file Conditioning of a prompt in compel's syntax: what weights, blends and conjunctions do to the states of the text encoder.
 *
 * Reference: damian0815/compel 2.5, embeddings_provider.py and compel.py, with `truncate_long_prompts=False`,
 * `DownweightMode.MASK` and `SplitLongTextMode.SENTENCES`, as its `CompelForSD` has them
 */
import { completeChunk, emptyChunk, type PromptChunk, type WeightedPiece } from '../../text/prompt/chunks.ts';
import type { CompelClause, CompelFragment } from '../../text/prompt/compel.ts';
import type { Tokenizer, TokenPiece } from '../../text/tokenizer.ts';

/** What the text encoder takes and gives. */
export interface EncoderShape {
  /** Ids of a chunk, start and end included. */
  readonly size: number;
  /** Numbers for each id. */
  readonly width: number;
  readonly tokenizer: Tokenizer;
}

/**
 * States of a chunk, [size, width].
 *
 * @param isHidden which tokens no other token attends to
 */
export type EncodeIds = (ids: Int32Array, isHidden?: readonly boolean[]) => Promise<Float32Array>;

/** Weights below this one are taken for it: the share of the prompt without the words would be infinite. */
const LEAST_WEIGHT = 1e-5;

/** Where a text that is too long is divided, in the order of preference: behind a sentence, a phrase, a word. */
const DIVIDERS: readonly ((token: string) => boolean)[] = [
  (token) => token === '.</w>',
  (token) => ['.</w>', ',</w>', ';</w>', ':</w>'].includes(token),
  (token) => token.endsWith('</w>'),
];

/** A text as chunks, and where the tokens of each fragment are in them. */
interface ChunkedText {
  readonly chunks: readonly PromptChunk[];
  /** First and last place among the ids of all chunks; none for a fragment without tokens. */
  readonly ranges: readonly (readonly [first: number, last: number] | undefined)[];
}

function chunkedText(fragments: readonly CompelFragment[], { size, tokenizer }: EncoderShape): ChunkedText {
  const room = size - 2;
  const pieces = fragments.map(({ text }) => tokenizer.pieces(text));
  const all = pieces.flatMap((own, i) => own.map((piece) => ({ piece, weight: fragments[i].weight })));
  // A piece that the vocabulary lacks has the unknown token's text.
  const tokens = all.map(({ piece: { id, text } }) => (tokenizer.idOf(text) === id ? text : ''));
  const chunks: PromptChunk[] = [];
  const places: number[] = [];
  for (let start = 0; start < all.length || chunks.length === 0; ) {
    const length = all.length - start <= room ? all.length - start : divide(tokens, start, room);
    for (let i = 0; i < length; i++) places.push(chunks.length * size + 1 + i);
    const own = all
      .slice(start, start + length)
      .map(({ piece, weight }): WeightedPiece => ({ id: piece.id, weight }));
    chunks.push(completeChunk(own, size, tokenizer));
    start += length;
  }
  return { chunks, ranges: rangesOf(pieces, places) };
}

function rangesOf(pieces: readonly (readonly TokenPiece[])[], places: readonly number[]) {
  let from = 0;
  return pieces.map(({ length }) => {
    from += length;
    return length === 0 ? undefined : ([places[from - length], places[from - 1]] as const);
  });
}

/** How many of the tokens from a place on go into one chunk. */
function divide(tokens: readonly string[], start: number, room: number): number {
  const window = tokens.slice(start, start + room);
  for (const ends of DIVIDERS) {
    const last = window.findLastIndex(ends);
    if (last >= 0) return last + 1;
  }
  return room;
}

/** Number of chunks that a clause becomes. */
export function clauseChunks({ texts }: CompelClause, shape: EncoderShape): number {
  return Math.max(...texts.map(({ fragments }) => chunkedText(fragments, shape).chunks.length));
}

/** The sum of vectors of one length, each times its share. */
function mixed(all: readonly { readonly share: number; readonly data: Float32Array }[]): Float32Array {
  const sum = new Float32Array(all[0].data.length);
  for (const { share, data } of all) {
    for (let i = 0; i < sum.length; i++) sum[i] += share * data[i];
  }
  return sum;
}

const normalised = <T extends { readonly share: number }>(all: readonly T[]): T[] => {
  const total = all.reduce((sum, { share }) => sum + share, 0);
  return all.map((each) => ({ ...each, share: each.share / total }));
};

function joined(chunks: readonly Float32Array[]): Float32Array {
  const data = new Float32Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    data.set(chunk, at);
    at += chunk.length;
  }
  return data;
}

/**
 * States of the prompt, one chunk [size, width] after another.
 *
 * Words of weight w move their states away from those of an empty prompt by w. Where w is below 1 the prompt is also mixed with
 * itself without these words, the more the smaller w is: tan((1 - w) π/2) to 1.
 */
export async function encodeClauses(
  clauses: readonly CompelClause[],
  shape: EncoderShape,
  encode: EncodeIds,
): Promise<Float32Array[]> {
  const { size, width, tokenizer } = shape;
  const empty = await encode(emptyChunk(size, tokenizer).ids);
  const padded = (data: Float32Array, length: number) => {
    const missing = (length - data.length) / empty.length;
    return missing === 0 ? data : joined([data, ...new Array<Float32Array>(missing).fill(empty)]);
  };

  /** States of a chunk, moved away from those of an empty one by the weights of its tokens. */
  async function weighted(
    { ids, weights }: PromptChunk,
    isHidden?: readonly boolean[],
  ): Promise<Float32Array> {
    const states = await encode(ids, isHidden);
    return states.map((value, at) => {
      const weight = weights[Math.floor(at / width)];
      return weight === 1 ? value : empty[at] + (value - empty[at]) * weight;
    });
  }

  async function textStates(fragments: readonly CompelFragment[]): Promise<Float32Array> {
    const { chunks, ranges } = chunkedText(fragments, shape);
    const without = fragments.flatMap(({ weight }, i) => {
      const range = ranges[i];
      if (weight >= 1 || range === undefined) return [];
      return [{ range, share: Math.tan(((1 - Math.max(LEAST_WEIGHT, weight)) * Math.PI) / 2) }];
    });
    const states: Float32Array[] = [];
    for (const [i, chunk] of chunks.entries()) {
      // A chunk is the same without words that are in others: only its share grows.
      const mix = [{ share: 1, data: await weighted(chunk) }];
      for (const { range, share } of without) {
        // The edges of a chunk stay.
        const first = Math.max(1, range[0] - i * size);
        const last = Math.min(size - 2, range[1] - i * size);
        const isHidden = Array.from({ length: size }, (_, at) => at >= first && at <= last);
        if (first <= last) mix.push({ share, data: await weighted(chunk, isHidden) });
        else mix[0].share += share;
      }
      states.push(mix.length === 1 ? mix[0].data : mixed(normalised(mix)));
    }
    return joined(states);
  }

  async function clauseStates({ weight, isNormalised, texts }: CompelClause): Promise<Float32Array> {
    const all: { share: number; data: Float32Array }[] = [];
    for (const { share, fragments } of texts) all.push({ share, data: await textStates(fragments) });
    const longest = Math.max(...all.map(({ data }) => data.length));
    const same = all.map(({ share, data }) => ({ share, data: padded(data, longest) }));
    const data =
      same.length === 1 && isNormalised ? same[0].data : mixed(isNormalised ? normalised(same) : same);
    if (weight === 1) return data;
    return data.map((value, at) => {
      const origin = empty[at % empty.length];
      return origin + (value - origin) * weight;
    });
  }

  const states: Float32Array[] = [];
  for (const clause of clauses) {
    const data = await clauseStates(clause);
    for (let at = 0; at < data.length; at += empty.length) states.push(data.subarray(at, at + empty.length));
  }
  return states;
}
