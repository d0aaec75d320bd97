/** @file What a file of Stable Diffusion says of itself; pipeline/formats.test.ts makes pictures with such files. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { required } from '../../errors.ts';
import { openTensorFile } from '../formats/tensor-file.ts';
import type { WeightTensor } from '../formats/weight-source.ts';
import { lazily, writeSafetensors } from '../formats/write-safetensors.ts';
import { FORMATS, messageOf } from '../testing.ts';
import { openLdmFile } from './ldm-file.ts';
import type { SingleFileOptions } from './single-file-options.ts';

let dir: string;
let path: string;
let first: ReadonlyMap<string, WeightTensor>;
let second: ReadonlyMap<string, WeightTensor>;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-ldm-'));
  path = join(dir, 'model.safetensors');
  first = (await openTensorFile(`${FORMATS}ldm-v1.ckpt`)).tensors;
  second = (await openTensorFile(`${FORMATS}ldm-v2/model.ckpt`)).tensors;
});
afterAll(() => rm(dir, { recursive: true }));

async function opened(
  tensors: Iterable<readonly [string, WeightTensor]>,
  metadata: Record<string, string> = {},
  options: SingleFileOptions = {},
) {
  await writeSafetensors(path, lazily(new Map(tensors)), metadata);
  return openLdmFile(await openTensorFile(path), path, options);
}

describe('what a model predicts', () => {
  const yaml = () => join(dir, 'model.yaml');
  afterEach(() => rm(yaml(), { force: true }));
  const predicted = async (...rest: Parameters<typeof opened>) => {
    const { schedulerConfig, components } = await opened(...rest);
    return [schedulerConfig.prediction_type, components.get('unet')?.config.sample_size];
  };

  it.each([
    [{ 'modelspec.prediction_type': 'v' }, 'v_prediction'],
    [{ 'modelspec.prediction_type': 'epsilon' }, 'epsilon'],
    [{ prediction_type: 'eps' }, 'epsilon'],
    [{ prediction_type: 'v_prediction' }, 'v_prediction'],
    [{ 'modelspec.prediction_type': 'epsilon', prediction_type: 'v' }, 'epsilon'],
    // Neither of them: the weights decide, which say v here.
    [{ prediction_type: 'sample' }, 'v_prediction'],
  ])('stands in the metadata: %j', async (metadata, wanted) => {
    expect(await predicted(second, metadata)).toEqual([wanted, wanted === 'epsilon' ? 64 : 96]);
  });

  it('is what is asked for, else what the .yaml says, else the metadata', async () => {
    const metadata = { prediction_type: 'eps' };
    await writeFile(yaml(), '    parameterization: v\n');
    expect(await predicted(second, metadata)).toEqual(['v_prediction', 96]);
    await writeFile(yaml(), '    parameterization: eps\n');
    expect(await predicted(second, { prediction_type: 'v' })).toEqual(['epsilon', 64]);
    expect(await predicted(second, metadata, { predictionType: 'v_prediction' })).toEqual([
      'v_prediction',
      96,
    ]);
  });

  it('is what is asked for, whatever a folder of configurations says', async () => {
    const config = join(dir, 'config');
    await mkdir(join(config, 'scheduler'), { recursive: true });
    const said = '{"prediction_type":"v_prediction"}';
    await writeFile(join(config, 'scheduler', 'scheduler_config.json'), said);
    expect((await predicted(second, {}, { config }))[0]).toBe('v_prediction');
    expect((await predicted(second, {}, { config, predictionType: 'epsilon' }))[0]).toBe('epsilon');
    expect((await predicted(second, { prediction_type: 'eps' }, { config }))[0]).toBe('v_prediction');
  });

  it('shows in how much a bias of the last attention varies, in the second family alone', async () => {
    const biased = (tensors: ReadonlyMap<string, WeightTensor>, size: number) =>
      [...tensors].map(([name, tensor]) => {
        if (!/^model\.diffusion_model\.output_blocks\..*\.0\.norm1\.bias$/.test(name))
          return [name, tensor] as const;
        const compute = () =>
          Float32Array.from({ length: tensor.shape[0] }, (_, i) => 3 + (i % 2 ? size : -size));
        const { shape, path } = tensor;
        return [name, { dtype: 'F32', shape, path, byteLength: 4 * shape[0], compute }] as const;
      });
    const options = { ema: false };
    for (const [size, wanted] of [
      [0, 'epsilon'],
      [0.0899, 'epsilon'],
      [0.0901, 'v_prediction'],
      [2, 'v_prediction'],
    ] as const) {
      expect((await predicted(biased(second, size), {}, options))[0], `${size}`).toBe(wanted);
      expect((await predicted(biased(first, size), {}, options))[0], `${size}`).toBe('epsilon');
    }
  });

  it('of the first family is its noise, unless something else is said', async () => {
    expect(await predicted(first)).toEqual(['epsilon', 64]);
    // Its pictures have 512 pixels whatever it predicts.
    expect(await predicted(first, { prediction_type: 'v' })).toEqual(['v_prediction', 64]);
  });
});

it('the tokenizer of the second family pads with "!"', async () => {
  const padding = async (tensors: ReadonlyMap<string, WeightTensor>) =>
    (await opened(tensors)).tokenizers.get('tokenizer');
  expect(await padding(first)).toEqual({ dir: join(dir, 'tokenizer') });
  expect(await padding(second)).toEqual({ dir: join(dir, 'tokenizer'), config: { pad_token: '!' } });
});

describe('what is no whole Stable Diffusion', () => {
  const without = (pattern: RegExp) => [...first].filter(([name]) => !pattern.test(name));
  const INPUT = 'model.diffusion_model.input_blocks.0.0.weight';

  it('is named by what it lacks', async () => {
    expect(await messageOf(opened(without(/^first_stage_model\./)))).toMatch(
      /: it has no autoencoder \(first_stage_model\.\); give one with the option vae$/,
    );
    const { components } = await opened(without(/^first_stage_model\./), {}, { vae: 'other' });
    expect(components.has('unet')).toBe(true);
    expect(await messageOf(opened(without(/^cond_stage_model\./)))).toMatch(
      /: it has no text encoder \(cond_stage_model\.\); give a whole checkpoint$/,
    );
    const [[, any]] = first;
    expect(
      await messageOf(opened([...without(/^cond_stage_model\./), ['cond_stage_model.other.weight', any]])),
    ).toMatch(/the weight .*embeddings.* is missing$/);
  });

  it('has another number of channels', async () => {
    const input = required(first.get(INPUT));
    const channels = (count: number): WeightTensor => {
      const shape = input.shape.with(1, count);
      const length = shape.reduce((all, size) => all * size, 1);
      return {
        dtype: 'F32',
        shape,
        path: 'x',
        byteLength: 4 * length,
        compute: () => new Float32Array(length),
      };
    };
    for (const count of [4, 9]) await opened([...first, [INPUT, channels(count)]]);
    for (const count of [3, 10]) {
      expect(await messageOf(opened([...first, [INPUT, channels(count)]]))).toMatch(
        `a model with ${count} input channels is not supported; 4 are, and 9 for inpainting`,
      );
    }
    expect(await messageOf(opened([...first].filter(([name]) => name !== INPUT)))).toMatch(
      'a model with no input channels is not supported',
    );
  });
});
