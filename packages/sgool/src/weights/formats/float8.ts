/**
 * @file 8-bit floats as bytes. Decoding is exact; both kinds fit into float16.
 *
 * Reference: Micikevicius et al. 2022, FP8 Formats for Deep Learning, table 1; PyTorch, float8_e4m3fn and float8_e5m2
 */
import { decodeFloat16 } from './float16.ts';

/** All 256 values of E4M3: bias 7, no infinity, NaN where all bits but the sign are set. */
const E4M3 = Float32Array.from({ length: 256 }, (_, byte) => {
  const sign = byte & 0x80 ? -1 : 1;
  const exponent = (byte >> 3) & 15;
  const fraction = byte & 7;
  if ((byte & 0x7f) === 0x7f) return Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -9 : sign * (1 + fraction / 8) * 2 ** (exponent - 7);
});

/** All 256 values of E5M2: the upper half of a float16. */
const E5M2 = decodeFloat16(Uint16Array.from({ length: 256 }, (_, byte) => byte << 8));

const TABLES = { F8_E4M3: E4M3, F8_E5M2: E5M2 } as const;

/** Bytes as float32 values. */
export function decodeFloat8(dtype: keyof typeof TABLES, bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const table = TABLES[dtype];
  const out = new Float32Array(bytes.length);
  for (let i = 0; i < out.length; i++) out[i] = table[bytes[i]];
  return out;
}
