import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { clipTokenizerFiles, openClipTokenizer } from './clip-vocabulary.ts';

const TEXT = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../../fixtures/data/text');

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'sgool-vocabulary-'));
});
afterAll(() => rm(dir, { recursive: true }));

async function packed(text: string): Promise<string> {
  const file = path.join(dir, 'bpe_simple_vocab_16e6.txt.gz');
  await writeFile(file, gzipSync(text));
  return file;
}

it("OpenAI's packed list of merges is the same tokenizer as the folder made from it", async () => {
  const merges = await readFile(path.join(TEXT, 'merges.txt'), 'utf8');
  const place = await packed(merges);
  const [ours, folder] = [await openClipTokenizer(place), await openClipTokenizer(TEXT, 'openai')];
  const prompt = 'A photo of a red cat; they’ve 42 boats!';
  expect([...ours.encode(prompt).ids]).toEqual([...folder.encode(prompt).ids]);
  const files = await clipTokenizerFiles(place);
  expect(JSON.parse(files['vocab.json'])).toEqual(
    JSON.parse(await readFile(path.join(TEXT, 'vocab.json'), 'utf8')),
  );
  expect(Object.keys(await clipTokenizerFiles(TEXT)).sort()).toEqual([
    'merges.txt',
    'tokenizer_config.json',
    'vocab.json',
  ]);
});

it('reports in one line what is not a list of merges', async () => {
  await expect(openClipTokenizer(await packed('# head\none two three\n'))).rejects.toThrow(/two symbols/);
  await expect(openClipTokenizer(path.join(dir, 'none.gz'))).rejects.toThrow(
    /none\.gz: the file does not exist/,
  );
  const plain = path.join(dir, 'plain.gz');
  await writeFile(plain, 'text');
  await expect(openClipTokenizer(plain)).rejects.toThrow(/not a packed list of merges/);
});
