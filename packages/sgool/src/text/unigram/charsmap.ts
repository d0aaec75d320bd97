/**
 * @file SentencePiece's table of replacements, with which a text is normalised before it is divided: NFKC, with spaces for line breaks and nothing
 * for control characters. It is a double-array trie over UTF-8, and the texts that its leaves stand for.
 *
 * Reference: Kudo and Richardson 2018, "SentencePiece"; Yata, darts-clone (the trie); tokenizers, normalizers/precompiled.rs, whose rules for
 * what is looked up this repeats
 */
import { UserError } from '../../errors.ts';

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Letters with their marks are looked up as one where they have fewer bytes than this. */
const LONGEST = 6;

/**
 * Makes the function that normalises texts.
 *
 * @param bytes the size of the trie in bytes (uint32, little-endian), its units (uint32), and texts that end in NUL
 * @param owner of the table, for messages
 * @throws UserError where the sizes do not fit; the function throws it where the trie leads out of itself
 */
export function createCharsmap(bytes: Uint8Array, owner: string): (text: string) => string {
  const broken = (why: string) =>
    new UserError(`tokenizer: ${owner}: its charsmap is broken: ${why}; get the file again`);
  if (bytes.length < 4) throw broken(`it has ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = view.getUint32(0, true);
  if (size === 0 || size % 4 !== 0 || 4 + size > bytes.length) {
    throw broken(`its trie has ${size} bytes of ${bytes.length - 4}`);
  }
  const texts = bytes.subarray(4 + size);

  function unitAt(place: number): number {
    if (place < 0 || 4 * place >= size) throw broken('its trie leads out of itself');
    return view.getUint32(4 + 4 * place, true);
  }

  /** The text that a leaf stands for. */
  function textAt(start: number): string {
    const end = texts.indexOf(0, start);
    if (start > texts.length) throw broken('a replacement is missing');
    return decoder.decode(texts.subarray(start, end < 0 ? texts.length : end));
  }

  /** What the shortest key that the text begins with is replaced with. */
  function lookUp(text: string): string | undefined {
    let place = offsetOf(unitAt(0));
    for (const byte of encoder.encode(text)) {
      if (byte === 0) return undefined;
      place ^= byte;
      const unit = unitAt(place);
      if (labelOf(unit) !== byte) return undefined;
      place ^= offsetOf(unit);
      if (hasLeaf(unit)) return textAt(unitAt(place) & 0x7fffffff);
    }
    return undefined;
  }

  const known = new Map<string, string | undefined>();
  function replacementOf(text: string): string | undefined {
    if (known.has(text)) return known.get(text);
    const found = lookUp(text);
    known.set(text, found);
    return found;
  }

  return (text) => {
    let normal = '';
    for (const { segment } of segmenter.segment(text)) {
      const whole = encoder.encode(segment).length < LONGEST ? replacementOf(segment) : undefined;
      if (whole !== undefined) normal += whole;
      else for (const letter of segment) normal += replacementOf(letter) ?? letter;
    }
    return normal;
  };
}

const labelOf = (unit: number): number => (unit & 0x800000ff) >>> 0;
const hasLeaf = (unit: number): boolean => ((unit >>> 8) & 1) === 1;
const offsetOf = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6);
