import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import cases from '../../../../fixtures/data/text/cases.json' with { type: 'json' };
import { byteSymbolsById } from './byte-pairs.ts';
import { parseTokenizer } from './clip-tokenizer-files.ts';
import { openClipTokenizer } from './clip-vocabulary.ts';
import { loadTokenizer } from './load-tokenizer.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';
import type { TokenizerTexts } from './tokenizer-files.ts';
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

  it.each(cases.cases)('gives the ids of OpenAI and OpenCLIP: $text', async ({ text, openai }) => {
    const theirs = await openClipTokenizer(FIXTURE, 'openai');
    expect(theirs.pieces(text).map(({ id }) => id)).toEqual(openai);
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

/** The texts of a folder with the fixture's vocabulary and other files. */
async function folderWith(given: Readonly<Record<string, unknown>>): Promise<TokenizerTexts> {
  const read = (name: string) => readFile(join(FIXTURE, name), 'utf8');
  const [vocab, merges] = [await read('vocab.json'), await read('merges.txt')];
  const text = (name: string) => (name in given ? { text: JSON.stringify(given[name]) } : {}).text;
  const whole = given['tokenizer.json'] as { model: object } | undefined;
  const model = { ...whole?.model, vocab: JSON.parse(vocab), merges: merges.trim().split('\n').slice(1) };
  return {
    ...(whole ? { tokenizer: JSON.stringify({ ...whole, model }) } : { vocab, merges }),
    config: text('tokenizer_config.json'),
    specialTokens: text('special_tokens_map.json'),
    addedTokens: text('added_tokens.json'),
  };
}

describe('added tokens', () => {
  it.each(cases.added)('are those of transformers: $name', async ({ files, padId, cases: expected }) => {
    const ours = parseTokenizer(await folderWith(files), 'tokenizer');
    expect(ours.padId).toBe(padId);
    for (const { text, ids } of expected) {
      const encoded = ours.encode(text);
      expect([...encoded.ids.slice(0, encoded.length)], text).toEqual(ids);
    }
  });

  it('count as words', async () => {
    const files = { 'added_tokens.json': { '<my-cat>': 775 } };
    const ours = parseTokenizer(await folderWith(files), 'tokenizer');
    expect(ours.tokenPositions('a <my-cat> and a <MY-CAT>', '<my-cat>')).toEqual([2, 5]);
    expect(ours.vocabSize).toBe(776);
  });

  const saved = cases.added[1].files['tokenizer.json'];
  it.each([
    [
      'vocabulary',
      { 'added_tokens.json': { '<a>': 5 } },
      /"<a>" has id 5, but in the vocabulary "&" has id 5/,
    ],
    [
      'vocabulary',
      { 'added_tokens.json': { '&': 900 } },
      /"&" has id 900, but in the vocabulary "&" has id 5/,
    ],
    ['id', { 'added_tokens.json': { '<a>': -1 } }, /added_tokens\.json: "<a>" has id -1/],
    [
      'class',
      { 'tokenizer_config.json': { tokenizer_class: 'T5Tokenizer' } },
      /tokenizer_class "T5Tokenizer"/,
    ],
    ['side', { 'tokenizer_config.json': { padding_side: 'left' } }, /padding_side "left" is not supported/],
    ['normalizer', { 'tokenizer.json': { ...saved, normalizer: { type: 'NFKC' } } }, /its normalizer/],
    ['pre-tokenizer', { 'tokenizer.json': { ...saved, pre_tokenizer: null } }, /its pre_tokenizer/],
    [
      'model',
      { 'tokenizer.json': { ...saved, model: { ...saved?.model, ignore_merges: true } } },
      /model\.ignore_merges is true/,
    ],
  ])('what is not supported is named: %s', async (_, files, message) => {
    const texts = await folderWith(files);
    expect(() => parseTokenizer(texts, 'tokenizer')).toThrow(message);
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

  it('knows which words it lacks: those that are not in its list, though they have pieces', () => {
    const vocabulary = buildWordVocabulary(['a', 'cat', 'on', ',']);
    const files = tokenizerFiles(vocabulary);
    const closed = parseTokenizer(
      { vocab: files['vocab.json'], merges: files['merges.txt'], config: files['tokenizer_config.json'] },
      'here',
    );
    expect(closed.unknownWords('A cat, on a Dragon; on x, a dragon')).toEqual(['dragon', ';', 'x']);
    expect(closed.pieces('dragon')).not.toContainEqual(expect.objectContaining({ id: closed.endId }));
    expect(closed.unknownWords('<|endoftext|> cat')).toEqual([]);
    const open = createTokenizer(vocabulary);
    expect(open.unknownWords('a dragon')).toEqual([]);
  });

  it('knows which words have pieces without an id, and names a list that is none', () => {
    const { vocab, merges } = buildWordVocabulary(['a', 'cat']);
    const { d, ...rest } = vocab;
    const lacking = createTokenizer({ vocab: rest, merges });
    expect(d).toBeDefined();
    expect(lacking.unknownWords('a dog, a cat and a dog')).toEqual(['dog']);
    expect(() => createTokenizer({ vocab, merges, config: { closed_vocabulary: 'cat' } })).toThrow(
      /closed_vocabulary must be a list of words, got "cat"/,
    );
  });

  it('extends a vocabulary without a change to what its words are', () => {
    const base = buildWordVocabulary(['rise', '7', 'red', 'cat']);
    const [before, after] = [base, buildWordVocabulary(['rising', 'cats'], base)].map(createTokenizer);
    for (const text of ['a red cat', 'rise 7 cat', 'red!! "cat"...']) {
      expect([...after.encode(text).ids]).toEqual([...before.encode(text).ids]);
    }
    expect([after.startId, after.endId]).toEqual([before.startId, before.endId]);
    expect(after.encode('rising cats').tokens).toEqual(['rising</w>', 'cats</w>']);
    const added = [...after.encode('rising cats').ids].slice(1, 3);
    expect(Math.min(...added)).toBeGreaterThanOrEqual(before.vocabSize);
    expect(Math.max(...added)).toBeLessThan(after.vocabSize);
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
    await expect(loadTokenizer(dir)).rejects.toThrow(/vocab\.json: not valid JSON/);
    await rm(join(dir, 'vocab.json'));
    await expect(loadTokenizer(dir)).rejects.toThrow(
      /vocab\.json: the file does not exist; a tokenizer is tokenizer\.json, or/,
    );
    expect(() => createTokenizer({ vocab: { a: 0 }, merges: [] })).toThrow(/needs <\|startoftext\|>/);
  });
});
