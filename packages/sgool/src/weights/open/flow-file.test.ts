import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { required } from '../../errors.ts';
import { openTensorFile } from '../formats/tensor-file.ts';
import { valuesOf } from '../formats/tensor-views.ts';
import type { WeightSource } from '../formats/weight-source.ts';
import { writeSafetensors } from '../formats/write-safetensors.ts';
import { messageOf } from '../testing.ts';
import { openComponent } from './model-folder.ts';
import { openModel } from './open-model.ts';
import { singleFilePipeline } from './single-file.ts';

const FILES = new URL('../../../../../fixtures/data/flow-files/', import.meta.url).pathname;

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-flow-'));
});
afterAll(() => rm(dir, { recursive: true }));

/** The same names, types and values. */
function expectSame(actual: WeightSource, expected: WeightSource) {
  expect(actual.names().sort()).toEqual(expected.names().sort());
  for (const name of expected.names()) {
    const [a, b] = [actual.get(name), expected.get(name)];
    expect(a.shape, name).toEqual(b.shape);
    expect(Buffer.compare(bytes(valuesOf(a)), bytes(valuesOf(b))), name).toBe(0);
  }
}
const bytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
  Buffer.from(buffer, byteOffset, byteLength);

describe('the transformer of a single file', () => {
  it.each([
    ['sd3', 'norm_out.linear norm1_context.linear'],
    ['flux', 'norm_out.linear'],
  ])('%s is that of the folder, and stays in the file but for %s', async (name, swapped) => {
    const model = await openModel(`${FILES}${name}.safetensors`, { config: `${FILES}${name}` });
    const { weights, notes } = required(model.components.get('transformer'));
    expectSame(weights, (await openComponent(`${FILES}${name}/transformer`)).weights);
    expect(notes).toBeUndefined();
    for (const [tensor, found] of weights.tensors) {
      const isLast = swapped.split(' ').some((each) => tensor.includes(each)) && !/blocks\.0\./.test(tensor);
      expect('byteOffset' in found, tensor).toBe(!isLast);
    }
  });
});
