/** @file Opening motion adapters in every form: fixtures/make/animate_diff.py. */
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTensorFile } from '../formats/tensor-file.ts';
import { lazily, writeSafetensors } from '../formats/write-safetensors.ts';
import { openMotionAdapter } from './motion-adapter.ts';

const data = new URL('../../../../../fixtures/data/motion/', import.meta.url).pathname;
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-adapter-'));
});
afterAll(() => rm(dir, { recursive: true }));

const INFERRED = {
  block_out_channels: [8, 16],
  motion_layers_per_block: [1, 1],
  motion_transformer_layers_per_block: [1, 1],
  use_motion_mid_block: true,
  motion_transformer_layers_per_mid_block: 1,
  motion_max_seq_length: 6,
};

test('the published names become those of diffusers, and the shapes say what the configuration is', async () => {
  const [published, own] = [
    await openMotionAdapter(`${data}original.ckpt`),
    await openMotionAdapter(`${data}adapter`),
  ];
  const names = own.weights.names().filter((name) => !name.endsWith('.pos_embed.pe'));
  expect(published.weights.names().sort()).toEqual(names.sort());
  expect(published.config).toMatchObject(INFERRED);
  expect(published.notes?.join()).toMatch(
    /has no config\.json: its motion modules are read with 8 heads and 32 groups/,
  );
  expect(own.config).toMatchObject({ block_out_channels: [8, 16], motion_max_seq_length: 6 });
  expect(own.notes).toBeUndefined();
});

test('without tables and a middle block; what is not of motion modules is named', async () => {
  const { tensors } = await openTensorFile(`${data}original.ckpt`);
  const some = [...tensors].filter(([name]) => !/pos_encoder|^mid_block/.test(name));
  const [[, any]] = some;
  const path = join(dir, 'mm.safetensors');
  await writeSafetensors(path, lazily(new Map([...some, ['conv_norm_out.weight', any]])), {});
  const { config, notes, weights } = await openMotionAdapter(path);
  const { motion_max_seq_length: _, motion_transformer_layers_per_mid_block: __, ...rest } = INFERRED;
  expect(config).toEqual({ _class_name: 'MotionAdapter', ...rest, use_motion_mid_block: false });
  expect(weights.has('conv_norm_out.weight')).toBe(false);
  expect(notes?.[0]).toMatch(/what is not of motion modules is left out: conv_norm_out\.weight$/);
  const others = ['conv_norm_out.weight', 'conv_norm_out.bias', 'conv_out.weight'].map(
    (name) => [name, any] as const,
  );
  await writeSafetensors(path, lazily(new Map([...some, ...others])), {});
  expect((await openMotionAdapter(path)).notes?.[0]).toMatch(/left out: conv_norm_out\.\w+ and 2 more$/);
});

test('a folder without one is named', async () => {
  await expect(openMotionAdapter(dir)).rejects.toThrow(
    `${dir}: no motion adapter is in it, nor in a folder motion_adapter; give the folder of one, with config.json, or its file`,
  );
});

test('what is no place is a name: of one that comes with sgool, or of a model of the Hub', async () => {
  await expect(openMotionAdapter('some/adapter', { HF_HUB_CACHE: dir })).rejects.toThrow(
    `model: some/adapter is neither a folder nor in the cache ${dir}; fetch it with: sgool models pull some/adapter`,
  );
  await expect(openMotionAdapter('no-adapter')).rejects.toThrow(
    /^model: unknown, got no-adapter; choose one of/,
  );
});

test('the configuration beside a file counts where it is that of an adapter', async () => {
  const folder = join(dir, 'beside');
  await cp(`${data}adapter`, folder, { recursive: true });
  const file = join(folder, 'mm.ckpt');
  await cp(`${data}original.ckpt`, file);
  const { config, notes } = await openMotionAdapter(file);
  expect(config).toEqual((await openMotionAdapter(`${data}adapter`)).config);
  expect(notes).toBeUndefined();
  await writeFile(join(folder, 'config.json'), '{"_class_name":"UNet2DConditionModel"}');
  expect((await openMotionAdapter(file)).config).toMatchObject(INFERRED);
  await expect(openMotionAdapter(folder)).rejects.toThrow(
    `${folder}: its config.json is of a UNet2DConditionModel; a MotionAdapter is expected`,
  );
});

test('motion modules without the first one are no adapter', async () => {
  const { tensors } = await openTensorFile(`${data}original.ckpt`);
  const path = join(dir, 'no-first.safetensors');
  const some = [...tensors].filter(([name]) => !/down_blocks\.0\./.test(name));
  await writeSafetensors(path, lazily(new Map(some)), {});
  await expect(openMotionAdapter(path)).rejects.toThrow(
    `${path}: not a motion adapter: it has no down_blocks.0.motion_modules.0.norm.weight`,
  );
});
