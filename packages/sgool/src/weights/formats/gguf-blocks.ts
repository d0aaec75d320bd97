/**
 * @file The quantised blocks of GGUF as float32, rounded as the reference does: 32 or 256 weights share a scale.
 *
 * Reference: ggml-org/ggml, src/ggml-common.h (layouts), src/ggml-quants.c (dequantize_row_*); gguf-py, gguf/quants.py
 */
import { decodeFloat16 } from './float16.ts';

/** How one type is stored. */
export interface BlockType {
  readonly name: string;
  /** Weights in a block. */
  readonly weights: number;
  readonly bytes: number;
  /** Decodes one block. */
  decode(block: Uint8Array, out: Float32Array): void;
}

const { fround } = Math;

const half = (block: Uint8Array, at: number): number =>
  decodeFloat16(Uint16Array.of(block[at] | (block[at + 1] << 8)))[0];
const signed = (byte: number): number => (byte << 24) >> 24;

/** 32 weights of 4 bits, the lower halves of all bytes first, perhaps with a fifth bit each. */
function decode4(
  block: Uint8Array,
  out: Float32Array,
  { at, fifth, offset, minimum }: { at: number; fifth?: number; offset: number; minimum?: number },
): void {
  const scale = half(block, 0);
  // Minus nothing rather than plus nothing, which keeps the sign of a zero.
  const least = minimum === undefined ? 0 : -half(block, minimum);
  for (let i = 0; i < 32; i++) {
    let value = (block[at + (i & 15)] >> (i < 16 ? 0 : 4)) & 15;
    if (fifth !== undefined) value |= ((block[fifth + (i >> 3)] >> (i & 7)) & 1) << 4;
    out[i] = fround(scale * (value - offset)) - least;
  }
}

/** Six-bit scales and minima of the eight parts of a block, as Q4_K and Q5_K pack them. */
function packedScales(block: Uint8Array, at: number, part: number): { scale: number; least: number } {
  const low = part & 3;
  const [a, b, c] = [block[at + low], block[at + 4 + low], block[at + 8 + low]];
  if (part < 4) return { scale: a & 63, least: b & 63 };
  return { scale: (c & 15) | ((a >> 2) & 48), least: (c >> 4) | ((b >> 2) & 48) };
}

/** Q4_K and Q5_K: eight parts of 32. */
function decodeK45(block: Uint8Array, out: Float32Array, fifth: boolean): void {
  const [scale, least] = [half(block, 0), half(block, 2)];
  const values = fifth ? 48 : 16;
  for (let part = 0; part < 8; part++) {
    const packed = packedScales(block, 4, part);
    const [by, minus] = [fround(scale * packed.scale), fround(least * packed.least)];
    for (let i = 0; i < 32; i++) {
      let value = (block[values + (part >> 1) * 32 + i] >> (part & 1 ? 4 : 0)) & 15;
      if (fifth) value |= ((block[16 + i] >> part) & 1) << 4;
      out[part * 32 + i] = fround(by * value) - minus;
    }
  }
}

function decodeQ2K(block: Uint8Array, out: Float32Array): void {
  const [scale, least] = [half(block, 80), half(block, 82)];
  for (let i = 0; i < 256; i++) {
    const packed = block[i >> 4];
    const value = (block[16 + (i >> 7) * 32 + (i & 31)] >> (2 * ((i >> 5) & 3))) & 3;
    out[i] = fround(fround(scale * (packed & 15)) * value) - fround(least * (packed >> 4));
  }
}

function decodeQ3K(block: Uint8Array, out: Float32Array): void {
  const scale = half(block, 108);
  for (let i = 0; i < 256; i++) {
    const part = i >> 4;
    const low = (block[96 + (part & 7)] >> (part < 8 ? 0 : 4)) & 15;
    const high = (block[104 + (part & 3)] >> (2 * (part >> 2))) & 3;
    const by = fround(scale * ((low | (high << 4)) - 32));
    const value = (block[32 + (i >> 7) * 32 + (i & 31)] >> (2 * ((i >> 5) & 3))) & 3;
    const isHigh = (block[i & 31] >> (i >> 5)) & 1;
    out[i] = by * (value - (isHigh ? 0 : 4));
  }
}

function decodeQ6K(block: Uint8Array, out: Float32Array): void {
  const scale = half(block, 208);
  for (let i = 0; i < 256; i++) {
    const by = fround(scale * signed(block[192 + (i >> 4)]));
    const [side, place] = [i >> 7, i & 127];
    const low = (block[side * 64 + (place & 63)] >> (place < 64 ? 0 : 4)) & 15;
    const high = (block[128 + side * 32 + (place & 31)] >> (2 * (place >> 5))) & 3;
    out[i] = by * ((low | (high << 4)) - 32);
  }
}

/** What the 16 values of IQ4_NL and IQ4_XS stand for. */
const IQ4_VALUES = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113] as const;

/** 32 weights of 4 bits that name values of a table, the lower halves of all bytes first. */
function decodeIQ4(block: Uint8Array, at: number, scale: number, out: Float32Array, to: number): void {
  for (let i = 0; i < 32; i++)
    out[to + i] = scale * IQ4_VALUES[(block[at + (i & 15)] >> (i < 16 ? 0 : 4)) & 15];
}

/** Eight parts of 32, whose six-bit scales lie four bits here and two bits there. */
function decodeIQ4XS(block: Uint8Array, out: Float32Array): void {
  const scale = half(block, 0);
  for (let part = 0; part < 8; part++) {
    const low = (block[4 + (part >> 1)] >> (part & 1 ? 4 : 0)) & 15;
    const high = (block[2 + (part >> 2)] >> (2 * (part & 3))) & 3;
    decodeIQ4(block, 8 + 16 * part, fround(scale * ((low | (high << 4)) - 32)), out, 32 * part);
  }
}

/** By the number of the type in the file. */
export const BLOCK_TYPES: Readonly<Record<number, BlockType>> = {
  2: { name: 'Q4_0', weights: 32, bytes: 18, decode: (b, o) => decode4(b, o, { at: 2, offset: 8 }) },
  3: {
    name: 'Q4_1',
    weights: 32,
    bytes: 20,
    decode: (b, o) => decode4(b, o, { at: 4, offset: 0, minimum: 2 }),
  },
  6: {
    name: 'Q5_0',
    weights: 32,
    bytes: 22,
    decode: (b, o) => decode4(b, o, { at: 6, fifth: 2, offset: 16 }),
  },
  7: {
    name: 'Q5_1',
    weights: 32,
    bytes: 24,
    decode: (b, o) => decode4(b, o, { at: 8, fifth: 4, offset: 0, minimum: 2 }),
  },
  8: {
    name: 'Q8_0',
    weights: 32,
    bytes: 34,
    decode(block, out) {
      const scale = half(block, 0);
      for (let i = 0; i < 32; i++) out[i] = scale * signed(block[2 + i]);
    },
  },
  10: { name: 'Q2_K', weights: 256, bytes: 84, decode: decodeQ2K },
  11: { name: 'Q3_K', weights: 256, bytes: 110, decode: decodeQ3K },
  12: { name: 'Q4_K', weights: 256, bytes: 144, decode: (b, o) => decodeK45(b, o, false) },
  13: { name: 'Q5_K', weights: 256, bytes: 176, decode: (b, o) => decodeK45(b, o, true) },
  14: { name: 'Q6_K', weights: 256, bytes: 210, decode: decodeQ6K },
  20: { name: 'IQ4_NL', weights: 32, bytes: 18, decode: (b, o) => decodeIQ4(b, 2, half(b, 0), o, 0) },
  23: { name: 'IQ4_XS', weights: 256, bytes: 136, decode: decodeIQ4XS },
};

/** Decodes blocks that lie one after the other. */
export function decodeBlocks({ weights, bytes, decode }: BlockType, stored: Uint8Array): Float32Array {
  const count = stored.length / bytes;
  const out = new Float32Array(count * weights);
  for (let i = 0; i < count; i++) {
    decode(stored.subarray(i * bytes, (i + 1) * bytes), out.subarray(i * weights, (i + 1) * weights));
  }
  return out;
}
