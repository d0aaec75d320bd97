import { describe, expect, it } from 'vitest';
import { decodeBfloat16, decodeFloat16, encodeBfloat16, encodeFloat16 } from './float16.ts';

const half = (value: number) => encodeFloat16(Float32Array.of(value))[0];
const brain = (value: number) => encodeBfloat16(Float32Array.of(value))[0];

describe('float16', () => {
  it('decodes and encodes every one of the 65536 patterns to itself', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const values = decodeFloat16(all);
    const back = encodeFloat16(values);
    for (let i = 0; i < 65536; i++) {
      const isNan = (i & 0x7c00) === 0x7c00 && (i & 0x3ff) !== 0;
      expect(Number.isNaN(values[i])).toBe(isNan);
      if (!isNan && back[i] !== i) expect.fail(`pattern ${i} came back as ${back[i]}`);
    }
  });

  it('rounds to nearest: every midpoint goes to the even neighbour, a hair beside it to the nearer one', () => {
    const values = decodeFloat16(Uint16Array.from({ length: 0x7c00 }, (_, i) => i));
    for (let i = 0; i + 1 < 0x7c00; i++) {
      const middle = (values[i] + values[i + 1]) / 2; // exact in float32
      const even = i % 2 === 0 ? i : i + 1;
      const hair = middle * 2 ** -23;
      if (half(middle) !== even || half(middle - hair) !== i || half(middle + hair) !== i + 1) {
        expect.fail(`around ${middle}: ${half(middle - hair)} ${half(middle)} ${half(middle + hair)}`);
      }
    }
  });

  it('handles the ends of the range', () => {
    expect(half(65519.996)).toBe(0x7bff);
    expect(half(65520)).toBe(0x7c00);
    expect(half(-Infinity)).toBe(0xfc00);
    expect(half(1e-10)).toBe(0);
    expect(half(-1e-45)).toBe(0x8000);
    expect(decodeFloat16(Uint16Array.of(half(Number.NaN)))[0]).toBeNaN();
  });
});

/** Numbers by their bits: NaN has many. */
const fromBits = (...words: number[]) => new Float32Array(Uint32Array.from(words).buffer);
const bitsOf = (values: Float32Array) => [...new Uint32Array(values.buffer)];

describe('NaN', () => {
  it('keeps its sign and the first bits of its payload, and is made quiet, as float16', () => {
    const halves = encodeFloat16(
      fromBits(0x7fc00000, 0xffc00000, 0x7f800001, 0x7fbfe000, 0xff802000, 0x7fffffff),
    );
    expect([...halves]).toEqual([0x7e00, 0xfe00, 0x7e00, 0x7fff, 0xfe01, 0x7fff]);
  });

  it('keeps its payload from float16', () => {
    const values = decodeFloat16(Uint16Array.of(0x7e00, 0xfe01, 0x7fff, 0x7c01, 0x7c00, 0xfc00));
    expect(bitsOf(values)).toEqual([0x7fc00000, 0xffc02000, 0x7fffe000, 0x7f802000, 0x7f800000, 0xff800000]);
  });

  it('keeps its first bits, and is made quiet, as bfloat16', () => {
    const halves = encodeBfloat16(
      fromBits(0x7fc00000, 0xffc12345, 0x7f800001, 0x7fffffff, 0xff81ffff, 0x7f800000),
    );
    expect([...halves]).toEqual([0x7fc0, 0xffc1, 0x7fc0, 0x7fff, 0xffc1, 0x7f80]);
  });
});

describe('bfloat16', () => {
  it('rounds to nearest even and keeps infinities and NaN', () => {
    expect(brain(1)).toBe(0x3f80);
    expect(brain(1 + 2 ** -8)).toBe(0x3f80);
    expect(brain(1 + 3 * 2 ** -8)).toBe(0x3f82);
    expect(brain(1 + 2 ** -8 + 2 ** -20)).toBe(0x3f81);
    expect(brain(3.4e38)).toBe(0x7f80);
    expect(brain(-Infinity)).toBe(0xff80);
    expect(decodeBfloat16(Uint16Array.of(brain(Number.NaN)))[0]).toBeNaN();
    expect(decodeBfloat16(Uint16Array.of(0xc049))[0]).toBe(-3.140625);
  });
});
