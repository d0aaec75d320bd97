import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { add, constant, matmul, trace } from '@sgool/autodiff';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { networkWeights } from '../networks/network-weights.ts';
import type { Dtype, TensorData } from '../weights/formats/dtypes.ts';
import { openSafetensors } from '../weights/formats/safetensors.ts';
import { writeSafetensors } from '../weights/formats/write-safetensors.ts';
import { damagedWeight, mappedWeights } from './damaged-weight.ts';
import { compileNetwork } from './network-program.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-damage-'));
});
afterAll(() => rm(dir, { recursive: true }));

let files = 0;
/** A file with two weights, of which the second holds `value` in one place. */
async function fileWith(value: number, dtype: Dtype = 'F32'): Promise<string> {
  const path = join(dir, `${files++}.safetensors`);
  const tensor = (data: TensorData) => ({ dtype, shape: [4, 4], data });
  const second = new Float32Array(16).fill(0.5);
  second[13] = value;
  await writeSafetensors(path, { first: tensor(new Float32Array(16).fill(1)), second: tensor(second) });
  return path;
}

/** The error of a network with these weights, run with the numbers `x`. */
async function errorOf(path: string, precision: 'float32' | 'float16', x = 1): Promise<string> {
  const weights = networkWeights(await openSafetensors(path));
  const graph = trace({ x: { shape: [1, 4] } }, ({ x }) => ({
    y: add(matmul(x, weights.get('first', [4, 4])), matmul(x, weights.get('second', [4, 4]))),
  }));
  const program = await compileNetwork('unet', graph, { precision });
  try {
    await program.run({ x: new Float32Array(4).fill(x) });
    return 'none';
  } catch (error) {
    return (error as Error).message;
  } finally {
    await program.dispose();
  }
}

describe.each(['float32', 'float16'] as const)('in %s', (precision) => {
  it.each<[number, Dtype]>([
    [Number.NaN, 'F32'],
    [Number.POSITIVE_INFINITY, 'F16'],
    [Number.NEGATIVE_INFINITY, 'BF16'],
  ])('a weight that holds %d as %s is named, with its file', async (value, dtype) => {
    const path = await fileWith(value, dtype);
    const error = await errorOf(path, precision);
    expect(error).toMatch(/^unet: /);
    expect(error).toContain(
      `${path}: weight second holds ${value}; every number must be finite: get the file again`,
    );
    expect(error).not.toMatch(/precision|damaged, or a setting/);
  });

  it('sound weights are not blamed', async () => {
    const error = await errorOf(await fileWith(0.5), precision, precision === 'float16' ? 6e4 : 1e19);
    expect(error).toMatch(
      precision === 'float16' ? /^unet: float16: numbers beyond 65504 in y; take/ : /^none$/,
    );
  });
});

it('a weight that float16 does not hold is named as what it is', async () => {
  const path = await fileWith(65_536);
  expect(await errorOf(path, 'float16')).toBe(
    `unet: ${path}: weight second holds 65536, beyond 65504, the largest number of float16; take precision float32`,
  );
  expect(await errorOf(path, 'float32')).toBe('none');
});

it('a file that the network is called by is named once', async () => {
  const path = await fileWith(Number.NaN);
  const { get } = networkWeights(await openSafetensors(path));
  const graph = trace({}, () => ({ y: get('second', [4, 4]) }));
  const named = await damagedWeight(mappedWeights(graph), 'float32', `pickscore of ${path}`);
  expect(named).toBe('weight second holds NaN; every number must be finite: get the file again');
  const other = await damagedWeight(mappedWeights(graph), 'float32', 'pickscore');
  expect(other).toBe(`${path}: ${named}`);
});

it('a weight that is kept in memory is refused when it is read', async () => {
  const path = await fileWith(Number.NaN);
  const file = await openSafetensors(path);
  const data = new Float64Array(16).fill(Number.NaN);
  const wide = join(dir, 'wide.safetensors');
  await writeSafetensors(wide, { w: { dtype: 'F64', shape: [4, 4], data } });
  const weights = networkWeights(await openSafetensors(wide));
  expect(() => trace({}, () => ({ y: weights.get('w', [4, 4]) }))).toThrow(
    `${wide}: weight w holds NaN; every number must be finite`,
  );
  // One that stays in its file is not read for that.
  expect(() => trace({}, () => ({ y: networkWeights(file).get('second', [4, 4]) }))).not.toThrow();
});

it('a damaged weight beyond the first block that is read is found', async () => {
  const count = 5 * 2 ** 20;
  const data = new Float32Array(count);
  data[count - 1] = Number.NaN;
  const path = join(dir, 'large.safetensors');
  await writeSafetensors(path, { w: { dtype: 'F32', shape: [1, count], data } });
  const weights = networkWeights(await openSafetensors(path));
  const graph = trace({}, () => ({ y: weights.get('w', [1, count]) }));
  const found = await damagedWeight(mappedWeights(graph), 'float32');
  expect(found).toContain('weight w holds NaN');
});

describe('looking through weights', () => {
  const found = async (path: string, precision: 'float32' | 'float16') => {
    const weights = networkWeights(await openSafetensors(path));
    const graph = trace({}, () => ({ y: weights.get('second', [4, 4]) }));
    return damagedWeight(mappedWeights(graph), precision);
  };

  it('takes what the precision holds', async () => {
    expect(await found(await fileWith(65_504), 'float16')).toBeUndefined();
    expect(await found(await fileWith(65_536), 'float32')).toBeUndefined();
    expect(await found(await fileWith(-65_536), 'float16')).toContain(
      'weight second holds -65536, beyond 65504',
    );
  });

  it('is for floats that stay in a file and have a name', async () => {
    const path = join(dir, 'whole.safetensors');
    // As floats these would be NaN.
    const data = new Int32Array(4).fill(-1);
    await writeSafetensors(path, { w: { dtype: 'I32', shape: [4], data } });
    const file = { path, byteOffset: 0, byteLength: 16 };
    const stored = { dtype: 'int32', shape: [4], label: 'whole', file } as const;
    const graph = trace({}, () => {
      constant({ dtype: 'float32', shape: [4], file });
      constant({ dtype: 'float32', shape: [1], label: 'in memory', data: Float32Array.of(Number.NaN) });
      return { y: constant(stored) };
    });
    expect(mappedWeights(graph)).toEqual([stored]);
    expect(await damagedWeight(mappedWeights(graph), 'float32')).toBeUndefined();
  });
});
