import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { required } from '../../errors.ts';
import { readTensor } from '../formats/safetensors.ts';
import { openTensorFile } from '../formats/tensor-file.ts';
import { writeSafetensors } from '../formats/write-safetensors.ts';
import { findAdded, userDataDir } from './added.ts';
import { openComponent } from './model-folder.ts';
import { storeAdded } from './store-added.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-added-'));
});
afterAll(() => rm(dir, { recursive: true }));

it('weights are found again after they were stored, and replaced by the next ones', async () => {
  const env = { SGOOL_DATA_DIR: join(dir, 'data') };
  const path = join(dir, 'file.safetensors');
  await writeSafetensors(path, {
    half: { dtype: 'F16', shape: [2, 1], data: Float32Array.of(0.5, -3) },
    single: { dtype: 'F32', shape: [], data: Float32Array.of(1.25) },
  });
  const { tensors } = await openTensorFile(path);
  expect(findAdded('transalnet', env)).toBeUndefined();
  const stored = await storeAdded('transalnet', { variant: 'res' }, tensors, env);
  expect(findAdded('transalnet', env)).toBe(stored);
  const { name, config, weights } = await openComponent(stored);
  expect({ name, config }).toEqual({ name: 'transalnet', config: { variant: 'res' } });
  expect(weights.tensors.get('half')).toMatchObject({ dtype: 'F16', shape: [2, 1] });

  await storeAdded(
    'transalnet',
    { variant: 'dense' },
    new Map([['single', required(tensors.get('single'))]]),
    env,
  );
  const second = await openComponent(stored);
  expect([...second.weights.tensors.keys()]).toEqual(['single']);
  expect(second.config).toEqual({ variant: 'dense' });
  expect(readdirSync(join(dir, 'data/weights'))).toEqual(['transalnet']);
  expect(findAdded('hps-v1', env)).toBeUndefined();
});

it('weights are stored with the files that belong to them, and lose those that the next ones do not have', async () => {
  const env = { SGOOL_DATA_DIR: join(dir, 'files') };
  const stored = await storeAdded('hps-v1', {}, new Map(), env, {
    'vocab.json': '{"a":0}',
    'merges.txt': '',
  });
  expect(readdirSync(stored).sort()).toEqual([
    'config.json',
    'merges.txt',
    'model.safetensors',
    'vocab.json',
  ]);
  expect(readFileSync(join(stored, 'vocab.json'), 'utf8')).toBe('{"a":0}');
  await storeAdded('hps-v1', {}, new Map(), env);
  expect(readdirSync(stored).sort()).toEqual(['config.json', 'model.safetensors']);
});

it('half-precision numbers keep their bits', async () => {
  const env = { SGOOL_DATA_DIR: join(dir, 'bits') };
  const path = join(dir, 'bits.safetensors');
  const data = Float32Array.of(65504, 2 ** -24, -0, 1 / 3);
  await writeSafetensors(path, { half: { dtype: 'F16', shape: [4], data } });
  const before = await openTensorFile(path);
  const stored = await storeAdded('hps-v1', {}, before.tensors, env);
  const { openSafetensors } = await import('../formats/safetensors.ts');
  const read = async (file: string) => readTensor(await openSafetensors(file), 'half');
  expect(await read(join(stored, 'model.safetensors'))).toEqual(await read(path));
});

it('a folder that cannot be made is reported in one line', async () => {
  const blocked = join(dir, 'blocked');
  await writeFile(blocked, '');
  const storing = storeAdded('hps-v1', {}, new Map(), { SGOOL_DATA_DIR: blocked });
  await expect(storing).rejects.toThrow(
    /^cannot write .*hps-v1: a part of the path is a file, not a folder$/,
  );
});

it('the data folder is where the system keeps such things', () => {
  expect(userDataDir({ SGOOL_DATA_DIR: '/x', XDG_DATA_HOME: '/y' })).toBe('/x');
  expect(userDataDir({ XDG_DATA_HOME: '/y' })).toBe('/y/sgool');
  expect(userDataDir({}, 'linux')).toMatch(/\.local\/share\/sgool$/);
  expect(userDataDir({}, 'darwin')).toMatch(/Library\/Application Support\/sgool$/);
});
