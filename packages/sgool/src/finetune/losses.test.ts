import { grad, mean, type Tensor, type TypedArray, trace } from '@sgool/autodiff';
import { beforeAll, describe, expect, it } from 'vitest';
import { relativeError } from '../networks/testing.ts';
import { compileNetwork } from '../runtime/network-program.ts';
import { openSafetensors, readTensor, type SafetensorsFile } from '../weights/formats/safetensors.ts';
import { enhanceLoss, normLoss, objectMaps, separateLoss } from './losses.ts';

let fixture: SafetensorsFile;
beforeAll(async () => {
  fixture = await openSafetensors(
    new URL('../../../../fixtures/data/separate-enhance.safetensors', import.meta.url).pathname,
  );
});

async function run(
  inputs: Readonly<Record<string, { shape: readonly number[]; data: Float32Array }>>,
  fn: (inputs: Readonly<Record<string, Tensor>>) => Record<string, Tensor>,
): Promise<Record<string, TypedArray>> {
  const graph = trace(inputs, fn);
  const program = await compileNetwork('test', graph);
  const given = Object.fromEntries(Object.entries(inputs).map(([name, { data }]) => [name, data]));
  return program.run(given).finally(() => program.dispose());
}

const LOSSES = {
  separate: separateLoss,
  enhance: (maps: Tensor) => enhanceLoss(maps, 3, 4),
};

describe.each(['pair', 'three'] as const)('%s of objects, words of one to three tokens', (name) => {
  it.each(['separate', 'enhance'] as const)('%s: values and gradients are those of PyTorch', async (part) => {
    const read = async (key: string) => ({
      shape: fixture.tensors.get(`${name}.${key}`)?.shape ?? [],
      data: await readTensor(fixture, `${name}.${key}`),
    });
    const inputs = {
      first: await read('layer.0'),
      second: await read('layer.1'),
      words: await read('words'),
    };
    const results = await run(inputs, ({ first, second, words }) => {
      const loss = LOSSES[part](objectMaps([first, second], words));
      const [a, b] = grad(mean(loss), [first, second]);
      return { loss, a, b };
    });
    const wanted = async (key: string) => (await read(`${part}${key}`)).data;
    expect(results.loss).toHaveLength(3);
    expect(relativeError(results.loss as Float32Array, await wanted(''))).toBeLessThan(1e-5);
    expect(relativeError(results.a as Float32Array, await wanted('.gradient.0'))).toBeLessThan(1e-5);
    expect(relativeError(results.b as Float32Array, await wanted('.gradient.1'))).toBeLessThan(1e-5);
  });
});

it('maps that are zero everywhere overlap by nothing', async () => {
  const maps = { shape: [1, 2, 1, 4], data: new Float32Array(8) };
  const { loss } = await run({ maps }, (inputs) => ({ loss: separateLoss(inputs.maps) }));
  expect([...loss]).toEqual([0]);
});

it('the regulariser is the mean squared difference of each sample', async () => {
  const inputs = {
    a: { shape: [2, 1, 2], data: Float32Array.of(1, 2, 3, 4) },
    b: { shape: [2, 1, 2], data: Float32Array.of(1, 4, 0, 3) },
  };
  const { loss } = await run(inputs, ({ a, b }) => ({ loss: normLoss(a, b) }));
  expect([...loss]).toEqual([2, 5]);
});
