import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import cases from '../../../../fixtures/data/text/cases.json' with { type: 'json' };
import { byteSymbolsById } from './byte-pairs.ts';
import { loadTokenizer } from './load-tokenizer.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';
import { buildWordVocabulary, tokenizerFiles } from './word-vocabulary.ts';

const FIXTURE = fileURLToPath(new URL('../../../../fixtures/data/text', import.meta.url));

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await loadTokenizer(FIXTURE);
});

describe('CLIP tokenizer', () => {
  it.each(cases.cases)('gives the ids of transformers: $text', ({ text, ids, total }) => {
    const encoded = tokenizer.encode(text);
    expect([...encoded.ids]).toEqual(ids);
    expect(encoded.lost).toBe(Math.max(0, total - 77));
    expect(encoded.truncated).toBe(total > 77);
    expect(encoded.length).toBe(Math.min(total, 77));
    expect(encoded.tokens).toHaveLength(encoded.length - 2);
  });

  it('keeps the end token when it truncates', () => {
    const { ids } = tokenizer.encode('a cat '.repeat(100));
    expect(ids).toHaveLength(77);
    expect(ids[76]).toBe(tokenizer.endId);
  });

  it('orders the byte symbols as CLIP does', () => {
    const symbols = byteSymbolsById();
    expect([symbols[0], symbols[93], symbols[94], symbols[187], symbols[188], symbols[255]]).toEqual([
      '!',
      '~',
      '\u00a1',
      '\u00ff',
      '\u0100',
      '\u0143',
    ]);
  });
});

describe('tokenPositions', () => {
  it('finds every piece of every occurrence, counted from the start token', () => {
    const text = 'A photographers cat and a Cat, the teddy bear';
    const { tokens } = tokenizer.encode(text);
    const at = (word: string) => tokenizer.tokenPositions(text, word).map((place) => tokens[place - 1]);
    expect(tokenizer.tokenPositions(text, 'a')[0]).toBe(1);
    expect(at('cat')).toEqual(['cat</w>', 'cat</w>']);
    expect(at('photographers').join('')).toBe('photographers</w>');
    expect(at('photographers').length).toBeGreaterThan(1);
    expect(at('teddy bear').join('')).toBe('teddy</w>bear</w>');
    expect(at('dog')).toEqual([]);
    expect(at('photo')).toEqual([]); // a part of a word is no occurrence
    expect(at(' ')).toEqual([]);
  });

  it('leaves out what truncation cut off', () => {
    const text = `${'a '.repeat(74)}cat cat cat`;
    expect(tokenizer.tokenPositions(text, 'cat')).toEqual([75]);
  });
});

describe('buildWordVocabulary', () => {
  it('makes each word one token, which transformers confirms', () => {
    const vocabulary = buildWordVocabulary(cases.words);
    const words = createTokenizer(vocabulary);
    for (const word of cases.words)
      expect(words.encode(word).tokens).toEqual([`${word === 'café' ? 'cafÃ©' : word}</w>`]);
    expect(words.endId).toBe(words.vocabSize - 1);
    expect(words.startId).toBe(words.vocabSize - 2);
    for (const { text, ids } of cases.sentences) expect([...words.encode(text).ids]).toEqual(ids);
  });

  it('refuses what is not one word', () => {
    expect(() => buildWordVocabulary(['two words'])).toThrow(/one lower-case word, got "two words"/);
    expect(() => buildWordVocabulary(['Cat'])).toThrow(/got "Cat"/);
    expect(() => buildWordVocabulary([''])).toThrow(/got ""/);
  });
});

describe('tokenizer files', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sgool-text-'));
  });
  afterAll(() => rm(dir, { recursive: true }));

  it('come back as they were written, and faults are named', async () => {
    const files = tokenizerFiles(buildWordVocabulary(['cat', 'red']), 32);
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
    const loaded = await loadTokenizer(dir);
    expect(loaded.maxLength).toBe(32);
    expect(loaded.encode('red cat').tokens).toEqual(['red</w>', 'cat</w>']);

    await writeFile(join(dir, 'merges.txt'), '#version: 0.2\na b c\n');
    await expect(loadTokenizer(dir)).rejects.toThrow(
      /merges\.txt: a line must hold two symbols, got "a b c"/,
    );
    await writeFile(join(dir, 'vocab.json'), '{"a": "x"}');
    await expect(loadTokenizer(dir)).rejects.toThrow(/vocab\.json: "a" has id "x"/);
    await writeFile(join(dir, 'vocab.json'), '{"a"');
    await expect(loadTokenizer(dir)).rejects.toThrow(/vocab\.json must hold a JSON object/);
    await rm(join(dir, 'vocab.json'));
    await expect(loadTokenizer(dir)).rejects.toThrow(/cannot read .*vocab\.json: the file does not exist/);
    expect(() => createTokenizer({ vocab: { a: 0 }, merges: [] })).toThrow(/needs <\|startoftext\|>/);
  });
});
