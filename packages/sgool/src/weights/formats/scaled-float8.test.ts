import { describe, expect, it } from 'vitest';
import { messageOf } from '../testing.ts';
import type { Dtype, TensorData } from './dtypes.ts';
import { withScales } from './scaled-float8.ts';
import { valuesOf } from './tensor-views.ts';
import type { WeightTensor } from './weight-source.ts';

const inMemory = (dtype: Dtype, shape: readonly number[], data: TensorData): WeightTensor => ({
  dtype,
  shape,
  path: 'x',
  byteLength: data.byteLength,
  compute: () => data,
});
/** Numbers that stand for eight bits each. */
const narrow = (shape: readonly number[], dtype: Dtype = 'F8_E4M3') =>
  inMemory(
    dtype,
    shape,
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i + 1),
  );
const scale = (...values: number[]) => inMemory('F32', [values.length], Float32Array.from(values));
const apply = (tensors: Readonly<Record<string, WeightTensor>>) =>
  withScales({ path: 'x', metadata: {}, tensors: new Map(Object.entries(tensors)) }).tensors;

describe('a weight with a scale', () => {
  it.each<[string, number[], number[]]>([
    ['one for all', [3], [3, 6, 9, 12, 15, 18]],
    ['one for each row', [2, 10], [2, 4, 6, 40, 50, 60]],
  ])('%s', (_, scales, values) => {
    for (const dtype of ['F8_E4M3', 'F8_E5M2'] as const) {
      const found = apply({ 'a.weight': narrow([2, 3], dtype), 'a.weight_scale': scale(...scales) });
      expect([...found.keys()]).toEqual(['a.weight']);
      expect(found.get('a.weight')).toMatchObject({ dtype: 'F32', shape: [2, 3], byteLength: 24 });
      expect([...valuesOf(found.get('a.weight') as WeightTensor)]).toEqual(values);
    }
  });

  it('has as many as rows', async () => {
    const tensors = { 'a.weight': narrow([2, 3]), 'a.weight_scale': scale(1, 2, 3) };
    expect(await messageOf(() => apply(tensors))).toBe(
      'x: the scale of a.weight has shape [3]; one number, or one for each of 2 rows, is supported',
    );
  });

  it('is not multiplied where it is not narrow, or not a weight', () => {
    const plain = inMemory('F16', [2, 3], new Float32Array(6));
    const bias = narrow([2]);
    const found = apply({ 'a.weight': plain, 'a.bias': bias, 'a.weight_scale': scale(3) });
    expect(found.get('a.weight')).toBe(plain);
    expect(found.get('a.bias')).toBe(bias);
  });
});

it('a file without scales is left as it is', () => {
  const file = { path: 'x', metadata: {}, tensors: new Map([['a.weight', narrow([2, 2])]]) };
  expect(withScales(file)).toBe(file);
});

it('a format without a name is shown', async () => {
  const text = Uint8Array.from(Buffer.from('n'.repeat(70)));
  const tensors = { 'a.weight': narrow([2, 2]), 'a.comfy_quant': inMemory('U8', [70], text) };
  expect(await messageOf(() => apply(tensors))).toContain(
    `says the format "${'n'.repeat(60)}", which is not`,
  );
});
