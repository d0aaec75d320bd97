/**
 * @file CLIP's byte-pair encoding: every byte is a printable symbol, and the last symbol of a word ends in `</w>`.
 * Reference: openai/CLIP, clip/simple_tokenizer.py
 */

/** Ends the last symbol of a word. */
export const END_OF_WORD = '</w>';

/** A vocabulary: symbols with their ids, and pairs to merge, the most urgent first. */
export interface Vocabulary {
  vocab: Readonly<Record<string, number>>;
  /** Each `first second`, as in a line of merges.txt. */
  merges: readonly string[];
}

function* range(first: number, last: number) {
  for (let code = first; code <= last; code++) yield code;
}

/** Bytes that are their own symbol; the others (white space, control characters) get U+0100 and up. */
const PRINTABLE_BYTES = [...range(0x21, 0x7e), ...range(0xa1, 0xac), ...range(0xae, 0xff)];

function makeByteSymbols(): string[] {
  const symbols = new Array<string>(256);
  for (const byte of PRINTABLE_BYTES) symbols[byte] = String.fromCharCode(byte);
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) symbols[byte] ??= String.fromCharCode(next++);
  return symbols;
}

const BYTE_SYMBOLS: readonly string[] = makeByteSymbols();

/** The 256 byte symbols in the order of their ids in CLIP's vocabulary: 0 is `!`, 255 is U+0143. */
export function byteSymbolsById(): string[] {
  const borrowed = BYTE_SYMBOLS.filter((symbol) => symbol.charCodeAt(0) >= 0x100);
  return [...PRINTABLE_BYTES.map((byte) => BYTE_SYMBOLS[byte]), ...borrowed];
}

/** A word as byte symbols, the last one marked. */
export function toSymbols(word: string): string[] {
  const symbols = Array.from(new TextEncoder().encode(word), (byte) => BYTE_SYMBOLS[byte]);
  if (symbols.length > 0) symbols[symbols.length - 1] += END_OF_WORD;
  return symbols;
}

/**
 * Merges neighbouring symbols until no pair has a rank: all occurrences of the pair with the lowest rank first.
 *
 * @param ranks from `first second` to its place in the list of merges
 */
export function mergePairs(symbols: readonly string[], ranks: ReadonlyMap<string, number>): string[] {
  let pieces = [...symbols];
  while (pieces.length > 1) {
    let bestRank = Number.POSITIVE_INFINITY;
    let best = -1;
    for (let i = 0; i + 1 < pieces.length; i++) {
      const rank = ranks.get(`${pieces[i]} ${pieces[i + 1]}`) ?? Number.POSITIVE_INFINITY;
      if (rank < bestRank) {
        bestRank = rank;
        best = i;
      }
    }
    if (best < 0) break;
    const [first, second] = [pieces[best], pieces[best + 1]];
    const merged: string[] = [];
    for (let i = 0; i < pieces.length; i++) {
      if (pieces[i] === first && pieces[i + 1] === second) {
        merged.push(first + second);
        i++;
      } else {
        merged.push(pieces[i]);
      }
    }
    pieces = merged;
  }
  return pieces;
}
