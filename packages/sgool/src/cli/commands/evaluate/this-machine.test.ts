import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { modelSha256 } from '../../../evaluate/scores/weights-hash.ts';
import type { LoadOptions } from '../../../pipeline/load-pipeline.ts';
import type { Pipeline } from '../../../pipeline/pipeline.ts';
import { weightsHash } from './this-machine.ts';

let dir: string;
const at = (name: string) => join(dir, name);
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-hash-'));
  for (const name of ['model.safetensors', 'a.safetensors', 'b.safetensors']) await writeFile(at(name), name);
});
afterAll(() => rm(dir, { recursive: true }));

const hashOf = (options: LoadOptions) =>
  weightsHash({ model: { dir: at('model.safetensors') } as Pipeline['model'] }, options);

it('is that of the model where nothing else is given, whatever it computes on', async () => {
  const own = await modelSha256(at('model.safetensors'));
  expect(await hashOf({})).toBe(own);
  expect(await hashOf({ device: 'cuda', precision: 'float16', memory: 'low' })).toBe(own);
});

it('tells every part by its content, its place in the model, and how strongly it counts', async () => {
  const [a, b] = [at('a.safetensors'), at('b.safetensors')];
  const all: LoadOptions[] = [
    {},
    { clip: a },
    { clip: b },
    { vae: a },
    { config: a },
    { textEncoders: [a] },
    { textEncoders: [a, b] },
    { textEncoders: [b, a] },
    { loras: [{ path: a }] },
    { loras: [{ path: a, weight: 0.5 }] },
    { embeddings: [{ path: a, name: 'toy' }] },
    { variant: 'fp16' },
    { predictionType: 'v_prediction' },
    { ema: false },
  ];
  const hashes = await Promise.all(all.map(hashOf));
  expect(new Set(hashes).size).toBe(all.length);
});
