import { describe, expect, it } from 'vitest';
import { DTYPE_BYTES, type Dtype, decodeTensor, encodeTensor, isDtype, isFloat, isNarrow } from './dtypes.ts';

/** Bits of each type, by its name. */
const bitsOf = (dtype: string) => (dtype === 'BOOL' ? 8 : Number(/\d+/.exec(dtype)?.[0]));
const dtypes = Object.keys(DTYPE_BYTES) as Dtype[];

it.each(dtypes)('%s has the size that its name says', (dtype) => {
  expect(8 * DTYPE_BYTES[dtype]).toBe(bitsOf(dtype));
  expect(decodeTensor(dtype, new ArrayBuffer(16))).toHaveLength(128 / bitsOf(dtype));
});

it('names, floats and narrow floats are told apart', () => {
  expect(dtypes.filter(isFloat)).toEqual(['F64', 'F32', 'BF16', 'F16', 'F8_E4M3', 'F8_E5M2']);
  expect(dtypes.filter(isNarrow)).toEqual(['BF16', 'F16', 'F8_E4M3', 'F8_E5M2']);
  expect(['F32', 'f32', 'toString', 3].map(isDtype)).toEqual([true, false, false, false]);
});

describe('encoding', () => {
  const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  it.each(dtypes.filter((dtype) => !isNarrow(dtype)))(
    'gives back the bytes of %s, of a part of an array too',
    (dtype) => {
      const whole = decodeTensor(dtype, bytes.slice().buffer);
      expect(encodeTensor(dtype, whole)).toEqual(bytes);
      const half = whole.subarray(whole.length / 2);
      expect(encodeTensor(dtype, half)).toEqual(bytes.subarray(8 - half.byteLength));
    },
  );

  it('rounds float32 to the narrow floats that are written', () => {
    expect(encodeTensor('F16', Float32Array.of(1))).toEqual(Uint8Array.of(0, 0x3c));
    expect(encodeTensor('BF16', Float32Array.of(1))).toEqual(Uint8Array.of(0x80, 0x3f));
  });

  it('refuses other arrays, and what is only read', () => {
    for (const dtype of ['F16', 'BF16'] as const) {
      expect(() => encodeTensor(dtype, new Float64Array(1))).toThrow(
        `encodeTensor: ${dtype} needs a Float32Array, got Float64Array`,
      );
    }
    expect(() => encodeTensor('I64', new Float32Array(1))).toThrow(
      'I64 needs a BigInt64Array, got Float32Array',
    );
    for (const dtype of ['F8_E4M3', 'F8_E5M2'] as const) {
      expect(() => encodeTensor(dtype, new Float32Array(1))).toThrow(`${dtype} is read only; write F16`);
    }
  });
});
