/** @file A prompt of any length as chunks that fit a text encoder. */
import type { Tokenizer } from '../tokenizer.ts';
import type { PromptPart } from './weighted-text.ts';

/** As many ids as the text encoder takes, start, end and padding included, each with its weight. */
export interface PromptChunk {
  readonly ids: Int32Array;
  readonly weights: Float32Array;
  /** Ids before the padding. */
  readonly length: number;
}

/** A token with its weight. */
export interface WeightedPiece {
  readonly id: number;
  readonly weight: number;
}

/** How near the end of a chunk a comma must be so that what follows it moves to the next chunk. */
const COMMA_BACKTRACK = 20;

/** Adds start, end and padding to tokens that fit. */
export function completeChunk(
  pieces: readonly WeightedPiece[],
  size: number,
  { startId, endId, padId }: Tokenizer,
): PromptChunk {
  const ids = new Int32Array(size).fill(padId);
  const weights = new Float32Array(size).fill(1);
  ids[0] = startId;
  pieces.forEach(({ id, weight }, i) => {
    ids[i + 1] = id;
    weights[i + 1] = weight;
  });
  ids[pieces.length + 1] = endId;
  return { ids, weights, length: pieces.length + 2 };
}

/** A chunk without text, which pads shorter prompts. */
export const emptyChunk = (size: number, tokenizer: Tokenizer): PromptChunk =>
  completeChunk([], size, tokenizer);

/**
 * Divides a prompt into chunks. A chunk that is full ends behind its last comma if that is near its end; `BREAK` ends one
 * anywhere. There is at least one.
 *
 * Reference: AUTOMATIC1111/stable-diffusion-webui, wiki, "Features: Infinite prompt length"; setting "Increase coherency by padding
 * from the last comma within n tokens" at its default of 20
 *
 * @param size of a chunk, start and end included
 */
export function promptChunks(
  parts: readonly PromptPart[],
  size: number,
  tokenizer: Tokenizer,
): PromptChunk[] {
  const room = size - 2;
  const commaId = tokenizer.idOf(',</w>');
  const chunks: PromptChunk[] = [];
  let pieces: WeightedPiece[] = [];
  let lastComma = -1;
  const finish = (until = pieces.length) => {
    chunks.push(completeChunk(pieces.slice(0, until), size, tokenizer));
    pieces = pieces.slice(until);
    lastComma = -1;
  };

  for (const part of parts) {
    if (part === 'break') {
      finish();
      continue;
    }
    for (const { id, together = 1 } of tokenizer.pieces(part.text)) {
      if (id === commaId) lastComma = pieces.length;
      else if (pieces.length === room && lastComma >= 0 && room - lastComma <= COMMA_BACKTRACK) {
        finish(lastComma + 1);
      }
      // An embedding of several vectors is not divided.
      if (pieces.length > 0 && pieces.length + together > room) finish();
      pieces.push({ id, weight: part.weight });
    }
  }
  if (pieces.length > 0 || chunks.length === 0) finish();
  return chunks;
}
