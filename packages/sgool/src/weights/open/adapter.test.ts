/** @file What an adapter says of itself; cli/commands/finetune.test.ts makes some. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { WeightTensor } from '../formats/weight-source.ts';
import { writeSafetensors } from '../formats/write-safetensors.ts';
import { messageOf } from '../testing.ts';
import { ADAPTER_KEY, openAdapter, weightsFingerprint } from './adapter.ts';

let path: string;
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-adapter-info-'));
  path = join(dir, 'adapter.safetensors');
});
afterAll(() => rm(dir, { recursive: true }));

const INFO = {
  format: 1,
  method: 'full',
  step: 10,
  base: { model: 'toybox', weights: ['a.weight'], fingerprint: 'ab' },
  task: { prompt: 'a cat' },
  sgool: '1.0.0',
};
async function opened(info?: object) {
  const data = Float32Array.of(1);
  await writeSafetensors(
    path,
    { 'lora_unet_a.diff': { dtype: 'F32', shape: [1], data } },
    info === undefined ? {} : { [ADAPTER_KEY]: JSON.stringify(info) },
  );
  return openAdapter(path);
}

it('has its settings and its changes', async () => {
  const { format: _, ...info } = INFO;
  const adapter = await opened(INFO);
  expect(adapter.info).toEqual(info);
  expect([...(adapter.lora.changes.unet?.keys() ?? [])]).toEqual(['a']);
});

it('is whole, of this format, and one of sgool', async () => {
  expect(await messageOf(opened())).toMatch(
    /: is no adapter of sgool; a LoRA or the like is given as a LoRA$/,
  );
  expect(await messageOf(opened({ ...INFO, format: 2 }))).toMatch(
    /: is an adapter of format 2; this version of sgool reads format 1$/,
  );
  const { base } = INFO;
  const broken: object[] = [
    ...(['method', 'step', 'base', 'task', 'sgool'] as const).map((key) => ({ ...INFO, [key]: undefined })),
    { ...INFO, method: 1 },
    { ...INFO, step: '10' },
    { ...INFO, task: 'a cat' },
    { ...INFO, task: null },
    { ...INFO, sgool: 1 },
    { ...INFO, base: { ...base, model: 1 } },
    { ...INFO, base: { ...base, fingerprint: undefined } },
    { ...INFO, base: { ...base, weights: [] } },
    { ...INFO, base: { ...base, weights: 'a.weight' } },
    { ...INFO, base: { ...base, weights: ['a.weight', 1] } },
  ];
  for (const info of broken) {
    expect(await messageOf(opened(info)), JSON.stringify(info)).toMatch(
      /: its sgool_adapter is incomplete; make the adapter anew$/,
    );
  }
});

it('the fingerprint is SHA-256 of names, shapes and float16 values, in the order of the names', async () => {
  const tensor = (shape: number[], ...values: number[]): WeightTensor => ({
    dtype: 'F32',
    shape,
    path: 'x',
    byteLength: 4 * values.length,
    compute: () => Float32Array.from(values),
  });
  const [a, b] = [tensor([1, 2], 1, -2), tensor([1], 0.5)];
  const bytes = Buffer.concat([
    Buffer.from('a 1x2\n'),
    Buffer.of(0x00, 0x3c, 0x00, 0xc0),
    Buffer.from('b 1\n'),
    Buffer.of(0x00, 0x38),
  ]);
  const digest = Buffer.from(await crypto.subtle.digest('SHA-256', bytes)).toString('hex');
  expect(
    await weightsFingerprint(
      new Map([
        ['b', b],
        ['a', a],
      ]),
    ),
  ).toBe(digest);
});
