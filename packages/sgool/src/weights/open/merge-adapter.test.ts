/** @file What merging refuses, and what it leaves then; cli/commands/finetune.test.ts merges. */
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { required } from '../../errors.ts';
import { openTensorFile } from '../formats/tensor-file.ts';
import { float32Of } from '../formats/tensor-views.ts';
import { FORMATS, messageOf, PIPELINE } from '../testing.ts';
import { type Adapter, weightsFingerprint } from './adapter.ts';
import { mergeAdapter } from './merge-adapter.ts';
import { openComponent } from './model-folder.ts';

const NAME = 'conv_in.bias';
let dir: string;
let adapter: Adapter;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-merge-'));
  const bias = (await openComponent(`${PIPELINE}unet`)).weights.get(NAME);
  const base = {
    model: 'a model',
    weights: [NAME],
    fingerprint: await weightsFingerprint(new Map([[NAME, bias]])),
  };
  adapter = {
    path: 'adapter.safetensors',
    info: { method: 'm', step: 1, base, task: {}, sgool: '1' },
    lora: { path: 'adapter.safetensors', changes: {} },
  };
});
afterAll(() => rm(dir, { recursive: true }));

it('writes the whole model', async () => {
  const target = join(dir, 'deep', 'merged');
  await mergeAdapter(PIPELINE, adapter, target);
  expect((await readdir(target)).sort()).toEqual((await readdir(PIPELINE)).sort());
  expect((await readdir(join(target, 'unet'))).sort()).toEqual([
    'config.json',
    'diffusion_pytorch_model.safetensors',
  ]);
  const { tensors } = await openTensorFile(join(target, 'unet/diffusion_pytorch_model.safetensors'));
  const before = (await openComponent(`${PIPELINE}unet`)).weights;
  expect([...tensors.keys()].sort()).toEqual(before.names().sort());
  expect(float32Of(required(tensors.get(NAME)))).toEqual(float32Of(before.get(NAME)));
});

it('names what it cannot merge into, and where it cannot write', async () => {
  const file = join(dir, 'file');
  await writeFile(file, '');
  expect(await messageOf(mergeAdapter(`${FORMATS}ldm-v1.ckpt`, adapter, join(dir, 'new')))).toMatch(
    /ldm-v1\.ckpt: is a single file, which cannot be merged into; give a folder in the diffusers layout$/,
  );
  expect(await messageOf(mergeAdapter(PIPELINE, adapter, file))).toBe(
    `${file}: is there already; give another folder`,
  );
  expect(await messageOf(mergeAdapter(PIPELINE, adapter, join(file, 'merged')))).toBe(
    `cannot write ${join(file, 'merged')}: a file of that name is in the way`,
  );
  const { info } = adapter;
  for (const base of [
    { ...info.base, fingerprint: 'another' },
    { ...info.base, weights: [NAME, 'no.weight'] },
  ]) {
    const other = { ...adapter, info: { ...info, base } };
    expect(await messageOf(mergeAdapter(PIPELINE, other, join(dir, 'new')))).toBe(
      'adapter.safetensors: was made for another model (a model); its weights are not those that the adapter was trained from',
    );
  }
  expect(existsSync(join(dir, 'new'))).toBe(false);
});
