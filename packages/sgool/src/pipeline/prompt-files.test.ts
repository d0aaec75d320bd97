import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FIXTURES } from '../networks/testing.ts';
import { openEmbeddings } from '../weights/open/textual-inversion.ts';
import type { LoadOptions } from './load-pipeline.ts';
import { type PromptFileOptions, withPromptFiles } from './prompt-files.ts';

let dir: string;
const at = (...names: string[]) => join(dir, ...names);

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sgool-folder-'));
  const source = join(FIXTURES, 'embeddings', 'web.pt');
  for (const folder of ['styles', 'cat-toy', 'sub']) await mkdir(at(folder));
  await copyFile(source, at('bad_hands.pt'));
  await copyFile(source, at('styles', 'Old Paint (1).pt'));
  await copyFile(source, at('cat-toy', 'learned_embeds.bin'));
  await copyFile(source, at('sub', 'twice.pt'));
  await copyFile(source, at('twice.pt'));
  for (const name of ['bad_hands.preview.png', 'inside.png', 'notes.txt', 'broken.pt']) {
    await writeFile(at(name), 'x');
  }
});
afterAll(() => rm(dir, { recursive: true }));

const options = (): LoadOptions & PromptFileOptions => ({ embeddingsDir: dir });

async function found(
  prompt: string,
  more: { negativePrompt?: string; promptSyntax?: 'plain' | 'compel' } = {},
) {
  const { embeddings = [] } = await withPromptFiles(options(), { prompt, ...more });
  return embeddings.map(({ path, name }) => `${name} ${path.slice(dir.length + 1)}`);
}

describe('a folder of embeddings', () => {
  it.each([
    ['a cat', []],
    ['bad_hands', ['bad_hands bad_hands.pt']],
    ['(BAD_hands:1.2), [x|bad_hands]', ['bad_hands bad_hands.pt']],
    ['bad_hands2 mybad_hands', []],
    ['<lora:bad_hands:1>', []],
    ['old paint \\(1\\)', ['Old Paint (1) styles/Old Paint (1).pt']],
    ['a cat-toy.', ['cat-toy cat-toy']],
    ['notes', []],
  ])('gives the files that a prompt names, and no others: %s', async (prompt, files) => {
    expect(await found(prompt)).toEqual(files);
    expect(await found('a dog', { negativePrompt: prompt })).toEqual(files);
  });

  it('is read under every syntax', async () => {
    expect(await found('<lora:bad_hands:1>', { promptSyntax: 'plain' })).toHaveLength(1);
    expect(await found('(bad_hands)1.3', { promptSyntax: 'compel' })).toHaveLength(1);
  });

  it('opens what it gives, as whole words', async () => {
    const { embeddings = [] } = await withPromptFiles(options(), { prompt: 'cat-toy bad_hands' });
    const opened = await openEmbeddings(embeddings);
    expect(opened.map(({ word, isWholeWord }) => [word, isWholeWord])).toEqual([
      ['bad_hands', true],
      ['cat-toy', true],
    ]);
  });

  it('names what cannot be used', async () => {
    await expect(found('inside')).rejects.toThrow(
      /inside\.png: an embedding inside an image is not supported/,
    );
    const { embeddings = [] } = await withPromptFiles(options(), { prompt: 'twice' });
    await expect(openEmbeddings(embeddings)).rejects.toThrow(/its word twice is that of .*twice\.pt too/);
    await expect(withPromptFiles({ embeddingsDir: at('none') }, { prompt: 'a' })).rejects.toThrow(/none/);
    await expect(openEmbeddings([{ path: dir }])).rejects.toThrow(
      /a folder without an embedding; give the file itself/,
    );
  });

  it('is not needed', async () => {
    expect(await withPromptFiles({ embeddings: [{ path: 'x' }] }, { prompt: 'a' })).toEqual({
      embeddings: [{ path: 'x' }],
    });
  });
});
