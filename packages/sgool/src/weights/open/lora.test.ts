/** @file What the files of a LoRA say of its strength, and blocks that have no weight. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { required } from '../../errors.ts';
import { openTensorFile } from '../formats/tensor-file.ts';
import { float32Of } from '../formats/tensor-views.ts';
import { weightSource } from '../formats/weight-source.ts';
import { type TensorToWrite, writeSafetensors } from '../formats/write-safetensors.ts';
import { BLOCKS } from '../names/lora-blocks.ts';
import { messageOf } from '../testing.ts';
import { applyLora } from './apply-lora.ts';
import { openLora } from './lora.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-lora-'));
});
afterAll(() => rm(dir, { recursive: true }));

const ones = (...shape: number[]): TensorToWrite => ({
  dtype: 'F32',
  shape,
  data: new Float32Array(shape.reduce((all, size) => all * size, 1)).fill(1),
});
const peft = (module: string, rank = 2) => ({
  [`base_model.model.${module}.lora_A.weight`]: ones(rank, 4),
  [`base_model.model.${module}.lora_B.weight`]: ones(4, rank),
});
const kohya = (module: string, rank = 2) => ({
  [`${module}.lora_down.weight`]: ones(rank, 4),
  [`${module}.lora_up.weight`]: ones(4, rank),
});

/** A folder with these tensors as an adapter of PEFT, and its configuration. */
async function adapter(name: string, tensors: Record<string, TensorToWrite>, config?: object) {
  const folder = join(dir, name);
  await mkdir(folder, { recursive: true });
  await writeSafetensors(join(folder, 'adapter_model.safetensors'), tensors);
  if (config) await writeFile(join(folder, 'adapter_config.json'), JSON.stringify(config));
  return folder;
}

const scales = async (path: string) =>
  [...required((await openLora(path)).changes.unet).values()].map(({ scale }) => scale);

describe('an adapter of PEFT', () => {
  const config = { peft_type: 'LORA', r: 2, lora_alpha: 6 };

  it('has its strength from its configuration alone, as well where others are in its file', async () => {
    expect(await scales(await adapter('plain', peft('to_q'), config))).toEqual([3]);
    for (const [name, tensors] of [
      ['alone', peft('to_q')],
      ['with-others', { ...peft('to_q'), ...kohya('lora_unet_to_k') }],
    ] as const) {
      expect(await messageOf(openLora(await adapter(name, tensors)))).toMatch(
        /an adapter of PEFT without its adapter_config\.json, which says how strong it is/,
      );
    }
    expect(await scales(await adapter('names-of-kohya', kohya('lora_unet_to_k')))).toEqual([1]);
  });

  it('with DoRA has a magnitude for each of its modules', async () => {
    const dora = { ...config, use_dora: true };
    const magnitude = { 'base_model.model.to_q.lora_magnitude_vector': ones(4) };
    expect(await scales(await adapter('dora', { ...peft('to_q'), ...magnitude }, dora))).toEqual([3]);
    for (const tensors of [peft('to_q'), { ...peft('to_q'), ...magnitude, ...peft('to_k') }]) {
      const folder = await adapter('dora-without', tensors, dora);
      expect(await messageOf(openLora(folder))).toMatch(
        /: use_dora is true, but module to_[qk] has no lora_magnitude_vector$/,
      );
    }
  });
});

it('a file with the names of kohya has no use for the configuration of an adapter that lies beside it', async () => {
  const folder = await adapter('beside', peft('to_q'), { peft_type: 'LORA', r: 2, lora_alpha: 6 });
  const file = join(folder, 'mine.safetensors');
  await writeSafetensors(file, kohya('lora_unet_to_k'));
  expect(await scales(file)).toEqual([1]);
  await writeSafetensors(file, peft('to_k'));
  expect(await scales(file)).toEqual([3]);
});

it('a bias has the size of its module’s own', async () => {
  const path = join(dir, 'biased.safetensors');
  await writeSafetensors(path, { 'to_k.weight': ones(4, 4), 'to_k.bias': ones(4) });
  const weights = weightSource(await openTensorFile(path));
  const before = new Map([['unet', { name: 'unet', dir, config: {}, weights }]]);
  const applied = async (bias: TensorToWrite) => {
    const file = join(dir, 'bias.safetensors');
    await writeSafetensors(file, { 'lora_unet_to_k.diff': ones(4, 4), 'lora_unet_to_k.diff_b': bias });
    return applyLora(before, await openLora(file)).get('unet')?.weights;
  };
  expect([...float32Of(required((await applied(ones(4)))?.get('to_k.bias')))]).toEqual([2, 2, 2, 2]);
  for (const size of [1, 3, 5]) {
    expect(await messageOf(applied(ones(size)))).toMatch(
      `it was made for another model: to_k.bias is [4], its change is [${size}]`,
    );
  }
});

describe('alpha', () => {
  const scaled = async (alpha: TensorToWrite, rank = 2) => {
    const path = join(dir, 'alpha.safetensors');
    await writeSafetensors(path, { ...kohya('lora_unet_to_k', rank), 'lora_unet_to_k.alpha': alpha });
    return openLora(path).then((lora) => required(lora.changes.unet?.get('to_k')).scale);
  };
  const one = (value: number, shape: number[] = []): TensorToWrite => ({
    dtype: 'F32',
    shape,
    data: Float32Array.of(value),
  });

  it('is divided by the rank, and may be 0', async () => {
    expect(await scaled(one(1))).toBe(0.5);
    expect(await scaled(one(6, [1]), 3)).toBe(2);
    expect(await scaled(one(0))).toBe(0);
  });

  it('is one finite number', async () => {
    for (const alpha of [one(Number.NaN), one(Number.POSITIVE_INFINITY), ones(2)]) {
      expect(await messageOf(scaled(alpha))).toMatch(/module to_k has rank 2 and alpha (NaN|Infinity)$/);
    }
    expect(await messageOf(scaled(one(1), 0))).toMatch(/module to_k has rank 0 and alpha 1$/);
  });
});

describe('a folder', () => {
  it('of several networks has the changes of each, and is named by the first', async () => {
    const folder = join(dir, 'several');
    for (const [name, module] of [
      ['unet', 'to_q'],
      ['text_encoder', 'text_model.encoder.layers.0.mlp.fc1'],
    ]) {
      await adapter(join('several', name), peft(module), { peft_type: 'LORA', r: 2, lora_alpha: 2 });
    }
    const { path, changes } = await openLora(folder);
    expect(path).toBe((await openTensorFile(join(folder, 'unet/adapter_model.safetensors'))).path);
    expect(Object.entries(changes).map(([network, all]) => [network, all.size])).toEqual([
      ['unet', 1],
      ['text_encoder', 1],
    ]);
  });
});

describe('weights by block', () => {
  /** The change of one module of a UNet or text encoder with all weights 0 but one. */
  const changed = async (
    network: 'unet' | 'text_encoder',
    module: string,
    blockWeights: readonly number[],
  ) => {
    const path = join(dir, 'base.safetensors');
    await writeSafetensors(path, { [`${module}.weight`]: ones(4, 4) });
    const weights = weightSource(await openTensorFile(path));
    const file = join(dir, 'blocks.safetensors');
    const prefix = network === 'unet' ? 'lora_unet_' : 'lora_te_';
    await writeSafetensors(file, kohya(prefix + module.replaceAll('.', '_')));
    const before = new Map([[network, { name: network, dir, config: {}, weights }]]);
    const after = required(applyLora(before, await openLora(file), { blockWeights }).get(network));
    return float32Of(after.weights.get(`${module}.weight`))[0] - 1;
  };
  const only = (name: string) => BLOCKS.map((each) => (each === name ? 0.5 : 0));

  it('are those of the module’s block, and 1 where it is in none of them', async () => {
    const none = BLOCKS.map(() => 0);
    const inFirst = 'down_blocks.0.attentions.0.proj_in';
    expect(await changed('unet', inFirst, only('IN01'))).toBe(1);
    expect(await changed('unet', inFirst, only('IN02'))).toBe(0);
    expect(await changed('unet', 'up_blocks.3.attentions.2.proj_in', only('OUT11'))).toBe(1);
    // A UNet with more blocks than the extension knows.
    expect(await changed('unet', 'up_blocks.4.attentions.0.proj_in', none)).toBe(2);
    expect(await changed('unet', 'time_embedding.linear_1', none)).toBe(2);
    const text = 'text_model.encoder.layers.0.mlp.fc1';
    expect(await changed('text_encoder', text, only('BASE'))).toBe(1);
    expect(await changed('text_encoder', text, only('IN00'))).toBe(0);
  });
});
