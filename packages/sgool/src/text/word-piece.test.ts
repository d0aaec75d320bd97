import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { createWordPieceTokenizer, loadBlipTokenizer, type WordPieceTokenizer } from './word-piece.ts';

const DATA = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../../fixtures/data/preference/');

let tokenizer: WordPieceTokenizer;
beforeAll(async () => {
  tokenizer = await loadBlipTokenizer(`${DATA}vocab.txt`);
});

interface Case {
  readonly text: string;
  readonly ids: number[];
  readonly length: number;
  readonly lost: number;
}

it("gives the ids of transformers' BertTokenizer for hard strings", async () => {
  const table = JSON.parse(await readFile(`${DATA}word-pieces.json`, 'utf8')) as Case[];
  expect(table.length).toBeGreaterThan(30);
  for (const { text, ids, length, lost } of table) {
    const ours = tokenizer.encode(text, 35);
    expect({ ids: [...ours.ids], length: ours.length, lost: ours.lost }, JSON.stringify(text)).toEqual({
      ids,
      length,
      lost,
    });
    expect(ours.truncated).toBe(lost > 0);
    expect(ours.tokens).toHaveLength(length - 2);
  }
});

it('names its pieces', () => {
  const { tokens } = tokenizer.encode('A Photo, \u732b', 35);
  expect(tokens.join(' ')).toMatch(/^a photo , (\u732b|\[UNK\])$/);
  expect(tokenizer.encode('a a', 3)).toMatchObject({ truncated: true, lost: 1, tokens: ['a'] });
});

it('names the words that become the unknown token, each once', () => {
  const small = createWordPieceTokenizer(['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'a', 'cat', '##s']);
  expect(small.unknownWords('A dragon, cats, a DRAGON [UNK]')).toEqual(['dragon', ',']);
  expect([...small.encode('cats dragon [UNK]', 6).ids]).toEqual([2, 5, 6, 1, 1, 3]);
  expect(small.unknownWords(`a ${'s'.repeat(101)}`)).toEqual(['s'.repeat(101)]);
});

it('any text fits into the length that is asked for', () => {
  const letters = fc.oneof(fc.integer({ min: 0, max: 0x10ffff }), fc.integer({ min: 32, max: 126 }));
  const texts = fc.array(letters, { maxLength: 20 }).map((codes) => String.fromCodePoint(...codes));
  const fits = fc.property(texts, fc.integer({ min: 2, max: 12 }), (text, maxLength) => {
    const { ids, length, lost } = tokenizer.encode(text, maxLength);
    const known = ids.every((id) => id >= 0 && id < tokenizer.vocabSize);
    return known && ids.length === maxLength && (length === maxLength || lost === 0);
  });
  fc.assert(fits, { numRuns: 200 });
});

it('a vocabulary without the special tokens is refused', async () => {
  expect(() => createWordPieceTokenizer(['a', 'b'])).toThrow(/the vocabulary has no \[PAD\]/);
  await expect(loadBlipTokenizer(`${DATA}none.txt`)).rejects.toThrow(/none\.txt: the file does not exist/);
});
