import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createImage } from '../image/image.ts';
import { parseRequest } from '../methods/index.ts';
import { concatBytes } from '../platform/bytes.ts';
import { ProgramCache } from '../runtime/program-cache.ts';
import { openOnnxDetector } from './onnx-detector.ts';

/** A field of a message of Protocol Buffers: a number, or bytes. */
function field(number: number, value: number | string | Uint8Array): Uint8Array {
  // The key of field 20 takes two bytes.
  if (typeof value === 'number')
    return Uint8Array.of(...(number < 16 ? [8 * number] : [((8 * number) % 128) | 128, number >> 4]), value);
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
  return concatBytes([Uint8Array.of(8 * number + 2, bytes.length), bytes]);
}
const message = (...fields: Uint8Array[]) => concatBytes(fields);

/** `ReduceMean(image, axes = [1])`: the brightness of each pixel, [1, 1, side, side]; or over all axes, one number. */
function meanModel(side: number, axes: readonly number[]): Uint8Array {
  const dimensions = (sizes: readonly number[]) => message(...sizes.map((size) => field(1, field(1, size))));
  const value = (name: string, sizes: readonly number[]) =>
    message(field(1, name), field(2, field(1, message(field(1, 1), field(2, dimensions(sizes))))));
  const attribute = message(field(1, 'axes'), ...axes.map((axis) => field(8, axis)), field(20, 7));
  const node = message(field(1, 'image'), field(2, 'map'), field(4, 'ReduceMean'), field(5, attribute));
  const graph = message(
    field(1, node),
    field(2, 'g'),
    field(11, value('image', [1, 3, side, side])),
    field(12, value('map', [1, 1, axes.length > 1 ? 1 : side, axes.length > 1 ? 1 : side])),
  );
  return message(field(1, 8), field(7, graph), field(8, field(2, 13)));
}

const programs = new ProgramCache({ device: 'cpu' });
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sgool-onnx-detector-'));
});
afterAll(async () => {
  await programs.dispose();
  await rm(folder, { recursive: true });
});

async function detector(model: Uint8Array, description: unknown, name = `m${Math.random()}`) {
  await writeFile(path.join(folder, `${name}.onnx`), model);
  if (description !== undefined)
    await writeFile(path.join(folder, `${name}.json`), JSON.stringify(description));
  return openOnnxDetector(path.join(folder, `${name}.onnx`), programs, 'float32');
}

it('maps an image of any shape with a network of its own', async () => {
  const { name, map } = await detector(meanModel(4, [1]), { image: { input: 'image', size: 4 } }, 'mine');
  expect(name).toBe('mine');
  const image = createImage(16, 8, [20, 20, 20]);
  // The right half is white.
  for (let y = 0; y < 8; y++) image.data.fill(255, 3 * (16 * y + 8), 3 * 16 * (y + 1));
  const { width, height, data } = await map(image);
  expect({ width, height, length: data.length }).toEqual({ width: 16, height: 8, length: 128 });
  expect([data[0], data[15], data[16 * 7], data[16 * 7 + 15]].map((value) => Math.round(10 * value))).toEqual(
    [0, 10, 0, 10],
  );
  for (let x = 1; x < 16; x++) expect(data[x]).toBeGreaterThanOrEqual(data[x - 1] - 0.1);
});

it.each([
  [meanModel(4, [1]), undefined, /there is no such file; it describes the network, for instance \{"image"/],
  [meanModel(4, [1]), { image: { input: 'image', size: 4, resize: 'crop' } }, /image\.resize: .*squash/],
  [meanModel(4, [1]), { image: { input: 'image', size: 5 } }, /input image is \[1,3,4,4\] in the model/],
  [meanModel(4, [1]), { image: { input: 'image', size: 4 }, scale: 'x' }, /scale/],
  [
    meanModel(4, [1, 2, 3]),
    { image: { input: 'image', size: 4 } },
    /the output map is \[1,1,1,1\]; a saliency model gives one map \[height, width\]/,
  ],
])('names in one line what is wrong: %#', async (model, description, says) => {
  const error = await detector(model, description).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ name: 'UserError', message: expect.stringMatching(says) });
  expect((error as Error).message).not.toContain('\n');
});

it('is chosen as the others are', async () => {
  expect(parseRequest({ prompt: 'a cat', saliency: './mine.onnx' })).toMatchObject({
    saliency: './mine.onnx',
  });
  expect(() => parseRequest({ prompt: 'a cat', saliency: 'mine' } as never)).toThrow(
    /saliency is not usable, got "mine"; must be one of transalnet, .*none, or an \.onnx file/,
  );
  await expect(openOnnxDetector('none.onnx', programs, 'float32')).rejects.toThrow(
    /none\.onnx: there is no such file/,
  );
});
