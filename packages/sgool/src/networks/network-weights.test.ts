import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compile, conv2d, gather, grad, linear, mul, reshape, square, sum, trace } from '@sgool/autodiff';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { required, UserError } from '../errors.ts';
import { Generator } from '../random/generator.ts';
import { decodeFloat8 } from '../weights/formats/float8.ts';
import { openSafetensors, type SafetensorsFile } from '../weights/formats/safetensors.ts';
import { openTensorFile } from '../weights/formats/tensor-file.ts';
import { rows } from '../weights/formats/tensor-views.ts';
import {
  type ComputedTensor,
  sourceOf,
  type WeightSource,
  weightSource,
} from '../weights/formats/weight-source.ts';
import { writeSafetensors } from '../weights/formats/write-safetensors.ts';
import { applyLora } from '../weights/open/apply-lora.ts';
import { networkWeights } from './network-weights.ts';
import { relativeError } from './testing.ts';

let folder: string;
let file: SafetensorsFile;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sgool-load-'));
  const data = Float32Array.of(1, -2, 0.5, 3, 1024.5, -0.25);
  const target = path.join(folder, 'model.safetensors');
  await writeSafetensors(target, {
    single: { dtype: 'F32', shape: [2, 3], data },
    half: { dtype: 'F16', shape: [2, 3], data },
    brain: { dtype: 'BF16', shape: [2, 3], data },
    double: { dtype: 'F64', shape: [2, 3], data: Float64Array.from(data) },
    whole: { dtype: 'U8', shape: [2, 3], data: Uint8Array.of(1, 2, 3, 4, 5, 6) },
  });
  file = await openSafetensors(target);
});

afterAll(() => rm(folder, { recursive: true }));

it.each(['fast', 'lean'] as const)(
  'constants of a file are computed with where they lie, whatever their width (%s)',
  async (layout) => {
    const graph = trace({ x: { shape: [1, 3] } }, ({ x }) => {
      const weights = networkWeights(file);
      return {
        single: linear(x, weights.get('single', [2, 3])),
        half: linear(x, weights.get('half', [2, 3])),
        brain: linear(x, weights.get('brain', [2, 3])),
        double: linear(x, weights.get('double', [2, 3])),
      };
    });
    const program = await compile(graph, { layout });
    const { single, half, brain, double } = await program.run({ x: Float32Array.of(1, 2, 4) });
    await program.dispose();
    expect([...(single as Float32Array)]).toEqual([-1, 2051]);
    // 1024.5 is halfway between float16 neighbours 1024 and 1025, and rounds to the even one.
    expect([...(half as Float32Array)]).toEqual([-1, 2050]);
    expect([...(brain as Float32Array)]).toEqual([-1, 2050]);
    expect([...(double as Float32Array)]).toEqual([-1, 2051]);
  },
);

it.each(['fast', 'lean'] as const)(
  'a change of low rank gives the numbers and the gradient of the merged weight (%s)',
  async (layout) => {
    const random = new Generator(4);
    const target = path.join(folder, 'changed.safetensors');
    const shapes = { base: [8, 4, 3, 3], up: [8, 2, 1, 1], down: [2, 4, 3, 3] } as const;
    await writeSafetensors(
      target,
      Object.fromEntries(
        Object.entries(shapes).map(([name, shape]) => [
          name,
          { dtype: 'F16', shape, data: random.randn([...shape]) },
        ]),
      ),
    );
    const source = weightSource(await openSafetensors(target), (name) => `${name}.weight`);
    const [up, down] = [source.get('up.weight'), source.get('down.weight')];
    const lora = {
      path: target,
      changes: { unet: new Map([['base', { parts: { up, down }, scale: 0.5 }]]), text_encoder: new Map() },
    };
    const component = { name: 'unet', dir: folder, config: {}, weights: source };
    const changed = required(
      applyLora(new Map([['unet', component]]), lora, { weight: 0.3 }).get('unet'),
    ).weights;
    const { lowRank: _, ...merged } = changed.get('base.weight') as ComputedTensor;
    const x = random.randn([1, 4, 6, 6]);
    const run = async (source: WeightSource) => {
      const graph = trace({ x: { shape: [1, 4, 6, 6] } }, (inputs) => {
        const y = conv2d(inputs.x, networkWeights(source).get('base.weight', [8, 4, 3, 3]), undefined, {
          padding: 1,
        });
        const [gradient] = grad(sum(square(y)), [inputs.x]);
        return { y, gradient: reshape(gradient, [-1]) };
      });
      const program = await compile(graph, { layout });
      try {
        return await program.run({ x });
      } finally {
        await program.dispose();
      }
    };
    const expected = await run(sourceOf(target, new Map([['base.weight', merged]])));
    const actual = await run(changed);
    expect(relativeError(actual.y as Float32Array, expected.y as Float32Array)).toBeLessThan(1e-5);
    expect(relativeError(actual.gradient as Float32Array, expected.gradient as Float32Array)).toBeLessThan(
      1e-5,
    );
  },
);

it('a missing weight, another shape, and whole numbers are reported in one line', () => {
  const weights = networkWeights(file);
  expect(weights.has('single')).toBe(true);
  expect(weights.has('absent')).toBe(false);
  const missing = () => weights.get('absent', [2, 3]);
  expect(missing).toThrow(UserError);
  expect(missing).toThrow(/absent is missing/);
  const shape = () => weights.get('single', [3, 2]);
  expect(shape).toThrow(UserError);
  expect(shape).toThrow(/single has shape \[2,3\], its configuration needs \[3,2\]/);
  const whole = () => weights.get('whole', [2, 3]);
  expect(whole).toThrow(UserError);
  expect(whole).toThrow(/stored as U8/);
});

describe('floats of 8 bits', () => {
  /** Every byte but those that are no finite number. */
  const bytes = (dtype: string) =>
    Uint8Array.from({ length: 256 }, (_, byte) =>
      (byte & 0x7f) >= (dtype === 'F8_E4M3' ? 0x7f : 0x7c) ? 0 : byte,
    );
  const scales = Float32Array.from({ length: 16 }, (_, row) => (row + 1) / 8);

  async function written(dtype: string): Promise<WeightSource> {
    const target = path.join(folder, `${dtype}.safetensors`);
    const header = {
      'a.weight': { dtype, shape: [16, 16], data_offsets: [0, 256] },
      'b.weight': { dtype, shape: [16, 16], data_offsets: [256, 512] },
      'b.weight_scale': { dtype: 'F32', shape: [16], data_offsets: [512, 576] },
    };
    const text = Buffer.from(JSON.stringify(header));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(text.length));
    await writeFile(
      target,
      Buffer.concat([size, text, bytes(dtype), bytes(dtype), Buffer.from(scales.buffer)]),
    );
    return weightSource(await openTensorFile(target));
  }

  it.each(
    ['F8_E4M3', 'F8_E5M2'].flatMap((dtype) => [false, true].map((mapsFloat8) => ({ dtype, mapsFloat8 }))),
  )(
    'have their numbers, their scales and those of some rows: $dtype, mapped $mapsFloat8',
    async ({ dtype, mapsFloat8 }) => {
      const source = await written(dtype);
      const [plain, scaled] = [source.get('a.weight'), source.get('b.weight')];
      const parts = sourceOf(
        source.path,
        new Map([
          ['a', plain],
          ['b', scaled],
          ['part', rows(scaled, 4, 8)],
        ]),
      );
      const graph = trace({ one: { shape: [1] } }, ({ one }) => {
        const weights = networkWeights(parts, { mapsFloat8 });
        const shapes = { a: [16, 16], b: [16, 16], part: [8, 16] };
        return Object.fromEntries(
          Object.entries(shapes).map(([name, shape]) => [name, mul(weights.get(name, shape), one)]),
        );
      });
      const inFiles = [...graph.trace.constants.values()].filter((one) => 'file' in one);
      expect(inFiles.map(({ dtype }) => dtype)).toEqual(
        mapsFloat8 ? new Array(3).fill(dtype === 'F8_E4M3' ? 'float8e4m3fn' : 'float8e5m2') : [],
      );
      const program = await compile(graph, { layout: 'lean' });
      const { a, b, part } = await program.run({ one: Float32Array.of(1) });
      await program.dispose();
      const values = decodeFloat8(dtype as 'F8_E4M3', bytes(dtype));
      expect([...(a as Float32Array)]).toEqual([...values]);
      const wanted = values.map((value, i) => value * scales[Math.floor(i / 16)]);
      expect([...(b as Float32Array)]).toEqual([...wanted]);
      expect([...(part as Float32Array)]).toEqual([...wanted.subarray(64, 192)]);
    },
  );

  it('of a table are cast before rows are taken', async () => {
    const source = await written('F8_E4M3');
    const graph = trace({ ids: { shape: [2], dtype: 'int32' } }, ({ ids }) => ({
      taken: gather(networkWeights(source, { mapsFloat8: true }).get('a.weight', [16, 16]), ids),
    }));
    const program = await compile(graph, { layout: 'lean' });
    const { taken } = await program.run({ ids: Int32Array.of(3, 1) });
    await program.dispose();
    const values = decodeFloat8('F8_E4M3', bytes('F8_E4M3'));
    expect([...(taken as Float32Array)]).toEqual([...values.subarray(48, 64), ...values.subarray(16, 32)]);
  });
});
