import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { messageOf } from '../testing.ts';
import { encodeFloat16 } from './float16.ts';
import {
  asFloat32,
  computed,
  contiguousStrides,
  float32Of,
  reshaped,
  rows,
  scaledBy,
  squeezed,
  stridedView,
  transposed,
  valuesOf,
} from './tensor-views.ts';
import type { StoredTensor, WeightTensor } from './weight-source.ts';

let dir: string;
let f32: StoredTensor;
let f16: StoredTensor;
let f64: StoredTensor;
let i32: StoredTensor;
/** The numbers 0 to 23, after 8 bytes of something else. */
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-views-'));
  const count = Array.from({ length: 24 }, (_, i) => i);
  const stored = async (dtype: StoredTensor['dtype'], data: { readonly buffer: ArrayBufferLike }) => {
    const path = join(dir, dtype);
    const bytes = new Uint8Array(data.buffer);
    await writeFile(path, Buffer.concat([Buffer.alloc(8, 0x7f), bytes]));
    return { dtype, shape: [4, 3, 2], path, byteOffset: 8, byteLength: bytes.length };
  };
  f32 = await stored('F32', Float32Array.from(count));
  f16 = await stored('F16', encodeFloat16(Float32Array.from(count)));
  f64 = await stored('F64', Float64Array.from(count));
  i32 = await stored('I32', Int32Array.from(count));
});
afterAll(() => rm(dir, { recursive: true }));

/** The same, computed. */
const inMemory = (tensor: WeightTensor) => computed(tensor, tensor.shape, () => valuesOf(tensor));
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe('values', () => {
  it('are read from the file, of narrow types as float32', () => {
    expect(valuesOf(f32)).toEqual(Float32Array.from(range(0, 24)));
    expect(valuesOf(f16)).toEqual(Float32Array.from(range(0, 24)));
    expect(valuesOf(f64)).toEqual(Float64Array.from(range(0, 24)));
    expect(valuesOf(i32)).toEqual(Int32Array.from(range(0, 24)));
  });

  it('are given as float32 where they are floats', async () => {
    for (const tensor of [f32, f16, f64]) expect(float32Of(tensor)).toEqual(Float32Array.from(range(0, 24)));
    const whole = inMemory(f32);
    const kept = valuesOf(whole);
    expect(float32Of({ ...whole, compute: () => kept })).toBe(kept);
    expect(await messageOf(() => float32Of(i32))).toBe(
      `${i32.path}: a weight of shape [4,3,2] holds I32; it must be F32, F16, BF16 or F64`,
    );
  });

  it('have the size in memory of their type there', () => {
    expect(inMemory(f16)).toMatchObject({ dtype: 'F32', byteLength: 96, path: f16.path });
    expect(inMemory(f64)).toMatchObject({ dtype: 'F64', byteLength: 192 });
    expect(asFloat32(f32)).toBe(f32);
    const wide = asFloat32(f64);
    expect(wide).toMatchObject({ dtype: 'F32', shape: [4, 3, 2], byteLength: 96, path: f64.path });
    expect(valuesOf(wide)).toEqual(Float32Array.from(range(0, 24)));
  });
});

describe('shapes', () => {
  it('change where the number of elements is the same', async () => {
    expect(reshaped(f32, [6, 4])).toEqual({ ...f32, shape: [6, 4] });
    expect(await messageOf(() => reshaped(f32, [5, 5]))).toBe(
      `${f32.path}: a weight of shape [4,3,2] cannot be reshaped to [5,5]`,
    );
  });

  it('lose trailing axes of length 1, and no others', () => {
    const of = (shape: readonly number[], rank: number) => squeezed({ ...f32, shape }, rank).shape;
    expect(of([12, 2, 1, 1], 2)).toEqual([12, 2]);
    expect(of([24, 1, 1, 1], 2)).toEqual([24, 1]);
    expect(of([1, 24, 1, 1], 3)).toEqual([1, 24, 1]);
    expect(of([12, 1, 2, 1], 2)).toEqual([12, 1, 2]);
    expect(of([24], 2)).toEqual([24]);
    expect(of([24, 1], 1)).toEqual([24]);
  });

  it('have row-major strides', () => {
    expect(contiguousStrides([4, 3, 2])).toEqual([6, 2, 1]);
    expect(contiguousStrides([])).toEqual([]);
  });
});

describe('rows', () => {
  it('are a range of the file, or of the numbers', async () => {
    expect(rows(f32, 1, 2)).toEqual({ ...f32, shape: [2, 3, 2], byteOffset: 8 + 24, byteLength: 48 });
    expect(rows(f16, 3, 1)).toEqual({ ...f16, shape: [1, 3, 2], byteOffset: 8 + 36, byteLength: 12 });
    expect([...valuesOf(rows(f32, 1, 2))]).toEqual(range(6, 18));
    expect([...valuesOf(rows(inMemory(f32), 1, 2))]).toEqual(range(6, 18));
    expect(rows(inMemory(f32), 2, 2).shape).toEqual([2, 3, 2]);
  });

  it('of a tensor that is scaled have its one factor, or their own', () => {
    const factors: WeightTensor = { ...f32, shape: [4, 1, 1], byteLength: 16 };
    const scaled = scaledBy(f32, factors);
    expect([...valuesOf(rows(scaled, 1, 2))]).toEqual(range(6, 18).map((x) => x * Math.floor(x / 6)));
    const one: WeightTensor = { ...f32, shape: [1], byteOffset: 8 + 8, byteLength: 4 };
    expect([...valuesOf(rows(scaledBy(f32, one), 1, 2))]).toEqual(range(6, 18).map((x) => 2 * x));
  });

  it.each([
    [3, 2],
    [0, 5],
    [4, 1],
  ])('from %i, %i of them, are more than there are', async (from, count) => {
    const said = `${f32.path}: rows ${from} to ${from + count} of a weight of shape [4,3,2]`;
    expect(await messageOf(() => rows(f32, from, count))).toBe(said);
    expect(await messageOf(() => rows(inMemory(f32), from, count))).toBe(said);
  });

  it('of a number are none', async () => {
    expect(await messageOf(() => rows({ ...f32, shape: [] }, 0, 1))).toMatch(
      /rows 0 to 1 of a weight of shape \[\]/,
    );
  });
});

describe('transposed', () => {
  it('turns a matrix', async () => {
    const matrix = transposed({ ...f32, shape: [4, 6] });
    expect(matrix.shape).toEqual([6, 4]);
    expect([...valuesOf(matrix)]).toEqual(range(0, 6).flatMap((x) => range(0, 4).map((y) => 6 * y + x)));
    expect(valuesOf(transposed({ ...f64, shape: [24, 1] }))).toEqual(Float64Array.from(range(0, 24)));
    expect(await messageOf(() => transposed(f32))).toBe(
      `${f32.path}: a weight of shape [4,3,2] where a matrix was expected`,
    );
  });
});

describe('a strided view', () => {
  const view = (offset: number, shape: readonly number[], strides: readonly number[]) =>
    stridedView({ ...f32, shape: [24] }, { offset, shape, strides });

  it.each<[number, number[], number[], number[]]>([
    [0, [4, 6], [6, 1], range(0, 24)],
    [5, [3], [1], [5, 6, 7]],
    // Strides of axes of length 1 say nothing.
    [2, [1, 4, 1], [99, 1, 7], [2, 3, 4, 5]],
  ])('in order stays in the file: from %i, %j by %j', (offset, shape, strides, values) => {
    const found = view(offset, shape, strides);
    expect(found).toEqual({
      dtype: 'F32',
      shape,
      path: f32.path,
      byteOffset: 8 + 4 * offset,
      byteLength: 4 * values.length,
    });
    expect([...valuesOf(found)]).toEqual(values);
  });

  it.each<[number, number[], number[], number[]]>([
    [0, [3, 2], [1, 3], [0, 3, 1, 4, 2, 5]],
    [1, [2, 2], [4, 2], [1, 3, 5, 7]],
    [10, [2, 3, 2], [1, 4, 2], [10, 12, 14, 16, 18, 20, 11, 13, 15, 17, 19, 21]],
    [20, [2], [3], [20, 23]],
  ])('out of order is gathered: from %i, %j by %j', (offset, shape, strides, values) => {
    const found = view(offset, shape, strides);
    expect(found).toMatchObject({ shape, byteLength: 4 * values.length, compute: expect.any(Function) });
    expect([...valuesOf(found)]).toEqual(values);
  });

  it('of nothing is nothing', () => {
    expect(view(3, [0, 2], [5, 9])).toMatchObject({ byteOffset: 20, byteLength: 0 });
  });

  it('that repeats elements is not larger than what it touches', async () => {
    expect(await messageOf(() => valuesOf(view(0, [3, 2], [0, 1])))).toMatch(
      /\[3,2\] repeats the same elements/,
    );
    expect(await messageOf(() => valuesOf(view(0, [2, 2], [1, 1])))).toMatch(/\[2,2\] repeats the same/);
    // As many elements as it touches, of which some come twice.
    expect([...valuesOf(view(0, [2, 2], [1, 2]))]).toEqual([0, 2, 1, 3]);
    expect([...valuesOf(view(0, [3, 2], [1, 3]))]).toEqual([0, 3, 1, 4, 2, 5]);
  });
});
