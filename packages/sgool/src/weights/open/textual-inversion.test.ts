import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeSafetensors } from '../formats/write-safetensors.ts';
import { embeddingFile, openEmbedding } from './textual-inversion.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-embedding-'));
});
afterAll(() => rm(dir, { recursive: true }));

const vectors = (shape: readonly number[]) => ({
  dtype: 'F32' as const,
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5),
});
const file = async (name: string, tensors: Parameters<typeof writeSafetensors>[1]) => {
  const path = join(dir, name);
  await writeSafetensors(path, tensors);
  return path;
};

it('is a file, or one of two names in a folder; what is not there is left to the reader', async () => {
  const path = await file('one.safetensors', { cat: vectors([2, 8]) });
  expect(await embeddingFile(path)).toBe(path);
  const missing = join(dir, 'none.safetensors');
  expect(await embeddingFile(missing)).toBe(missing);
  const folder = join(dir, 'folder');
  await mkdir(folder);
  await expect(embeddingFile(folder)).rejects.toThrow(
    `${folder}: a folder without an embedding; give the file itself, or a folder with learned_embeds.safetensors or learned_embeds.bin`,
  );
  await writeFile(join(folder, 'learned_embeds.bin'), '');
  expect(await embeddingFile(folder)).toBe(join(folder, 'learned_embeds.bin'));
  await writeFile(join(folder, 'learned_embeds.safetensors'), '');
  expect(await embeddingFile(folder)).toBe(join(folder, 'learned_embeds.safetensors'));
});

it('of Stable Diffusion XL is refused by either of its encoders, whatever lies beside', async () => {
  for (const names of [['clip_l'], ['clip_g'], ['clip_g', 'emb_params'], ['clip_l', 'clip_g']]) {
    const tensors = Object.fromEntries(names.map((name) => [name, vectors([2, 8])]));
    const path = await file(`${names.join('-')}.safetensors`, tensors);
    await expect(openEmbedding({ path })).rejects.toThrow(/an embedding for Stable Diffusion XL/);
  }
});

it('is a vector, or rows of vectors', async () => {
  const one = await openEmbedding({ path: await file('row.safetensors', { cat: vectors([8]) }) });
  expect([one.width, one.vectors]).toEqual([8, 1]);
  const rows = await openEmbedding({ path: await file('rows.safetensors', { cat: vectors([3, 8]) }) });
  expect([rows.width, rows.vectors]).toEqual([8, 3]);
  expect([...rows.data]).toEqual(Array(24).fill(0.5));
  const cube = await file('cube.safetensors', { cat: vectors([2, 2, 8]) });
  await expect(openEmbedding({ path: cube })).rejects.toThrow(/cat has shape \[2,2,8\]; \[width\] or/);
});
