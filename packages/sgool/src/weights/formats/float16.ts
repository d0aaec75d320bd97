/**
 * @file Half precision and bfloat16 as bit patterns in `Uint16Array`: Node 20 has no `Float16Array`.
 *
 * Encoding rounds to nearest, ties to even, as IEEE 754 and PyTorch do; decoding is exact.
 */

const INFINITY_32 = 0x7f800000;
/** Bits of 65536, from which on every float32 rounds to float16's infinity. */
const FLOAT16_OVERFLOW = 0x47800000;
/** Bits of 2^-14, the smallest normal float16. */
const FLOAT16_MIN_NORMAL = 0x38800000;

/** Views the same memory as unsigned words. */
function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

function halfFromBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= FLOAT16_OVERFLOW) {
    if (magnitude <= INFINITY_32) return sign | 0x7c00;
    return sign | 0x7e00 | ((magnitude >>> 13) & 0x1ff); // NaN, made quiet
  }
  if (magnitude >= FLOAT16_MIN_NORMAL) {
    // Move the exponent bias from 127 to 15, then round: half a unit less one, plus the last kept bit.
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  const shift = 126 - (magnitude >>> 23); // how far the significand moves to the unit 2^-24
  if (shift > 24) return sign;
  const significand = (magnitude & 0x7fffff) | 0x800000;
  const kept = significand >>> shift;
  const rest = significand & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept);
}

/** float32 values as float16 bit patterns, rounded to nearest even; beyond 65520 they become infinity. */
export function encodeFloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = bitsOf(values);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) out[i] = halfFromBits(bits[i]);
  return out;
}

/** float16 bit patterns as float32 values (exact). */
export function decodeFloat16(halves: Uint16Array): Float32Array<ArrayBuffer> {
  const out = new Float32Array(halves.length);
  const bits = bitsOf(out);
  for (let i = 0; i < out.length; i++) {
    const half = halves[i];
    const sign = (half & 0x8000) << 16;
    const magnitude = half & 0x7fff;
    if (magnitude >= 0x7c00) bits[i] = sign | INFINITY_32 | ((magnitude & 0x3ff) << 13);
    else if (magnitude >= 0x400) bits[i] = sign | ((magnitude << 13) + 0x38000000);
    else out[i] = (sign === 0 ? magnitude : -magnitude) * 2 ** -24; // zero and the subnormals
  }
  return out;
}

/** float32 values as bfloat16 bit patterns, rounded to nearest even. */
export function encodeBfloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = bitsOf(values);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const word = bits[i];
    const isNan = (word & 0x7fffffff) > INFINITY_32;
    out[i] = isNan ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return out;
}

/** bfloat16 bit patterns as float32 values (exact). */
export function decodeBfloat16(halves: Uint16Array): Float32Array<ArrayBuffer> {
  const out = new Float32Array(halves.length);
  const bits = bitsOf(out);
  for (let i = 0; i < out.length; i++) bits[i] = halves[i] << 16;
  return out;
}
