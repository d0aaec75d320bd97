/**
 * @file `spiece.model`: a unigram model as SentencePiece stores it, in Protocol Buffers.
 *
 * Reference: google/sentencepiece, src/sentencepiece_model.proto
 */
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { UserError } from '../../errors.ts';
import type { ScoredPiece } from './unigram-tokenizer.ts';

/** What such a file holds. */
export interface SentencePieceModel {
  readonly pieces: readonly ScoredPiece[];
  readonly unknownId: number;
  /** The table of replacements; undefined where texts are not normalised. */
  readonly charsmap: Uint8Array | undefined;
}

/** Values of `TrainerSpec.model_type` and of `SentencePiece.type` that are read. */
const UNIGRAM = 1;
const [NORMAL, UNKNOWN, CONTROL, UNUSED] = [1, 2, 3, 5];

/**
 * Reads a model.
 *
 * @param path for messages
 * @throws UserError in one line where it is something else, or has what T5 has not: another kind of model, pieces of bytes or of a user
 */
export function parseSentencePiece(bytes: Uint8Array, path: string): SentencePieceModel {
  const wrong = (what: string) => new UserError(`tokenizer: ${path}: ${what}`);
  const pieces: { piece: string; score: number; type: number }[] = [];
  let kind = UNIGRAM;
  let charsmap: Uint8Array | undefined;
  try {
    fields(bytes, {
      1: (reader) => pieces.push(parsePiece(reader.bytes())),
      2: (reader) => fields(reader.bytes(), { 3: (inner) => (kind = inner.int32()) }),
      3: (reader) => fields(reader.bytes(), { 2: (inner) => (charsmap = inner.bytes()) }),
    });
  } catch (cause) {
    const [reason] = String((cause as Error).message).split('\n');
    throw wrong(`it is no SentencePiece model (${reason}); get the file again`);
  }
  if (pieces.length === 0) throw wrong('it is no SentencePiece model: it has no pieces');
  if (kind !== UNIGRAM) throw wrong(`its model_type is ${kind}, which is not supported; T5's is 1 (unigram)`);
  const odd = pieces.find(({ type }) => ![NORMAL, UNKNOWN, CONTROL, UNUSED].includes(type));
  if (odd !== undefined) {
    const { piece, type } = odd;
    throw wrong(`the piece ${quoted(piece)} has type ${type}, which is not supported; T5 has 1, 2, 3 and 5`);
  }
  const infinite = pieces.find(({ score }) => !Number.isFinite(score));
  if (infinite !== undefined) {
    throw wrong(`the piece ${quoted(infinite.piece)} has the score ${infinite.score}; it must be finite`);
  }
  const unknownId = pieces.findIndex(({ type }) => type === UNKNOWN);
  if (unknownId < 0) throw wrong('it has no piece for what is unknown; T5 has <unk>');
  return {
    pieces: pieces.map(({ piece, score }) => [piece, score]),
    unknownId,
    charsmap: charsmap?.length === 0 ? undefined : charsmap,
  };
}

const quoted = (piece: string) => JSON.stringify(piece.slice(0, 40));

function parsePiece(bytes: Uint8Array) {
  const found = { piece: '', score: 0, type: NORMAL };
  fields(bytes, {
    1: (reader) => (found.piece = reader.string()),
    2: (reader) => (found.score = reader.float()),
    3: (reader) => (found.type = reader.int32()),
  });
  return found;
}

/** Reads the fields of a message whose numbers are in `take`, and skips the others. */
function fields(bytes: Uint8Array, take: Readonly<Record<number, (reader: BinaryReader) => unknown>>): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    if (Object.hasOwn(take, field)) take[field](reader);
    else reader.skip(wire, field);
  }
}
