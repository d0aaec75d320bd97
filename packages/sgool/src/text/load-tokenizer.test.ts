import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { messageOf } from '../weights/testing.ts';
import {
  hasTokenizer,
  loadT5Tokenizer,
  loadTokenizer,
  openTokenizer,
  tokenizerModel,
} from './load-tokenizer.ts';

const DATA = fileURLToPath(new URL('../../../../fixtures/data/', import.meta.url));

let root: string;
beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'sgool-tokenizer-'));
});
afterAll(() => rm(root, { recursive: true }));

/** A new folder with files. */
async function folderWith(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const dir = await mkdtemp(path.join(root, 'x'));
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(dir, name), content);
  return dir;
}

const sentencePiece = async () => gunzipSync(await readFile(`${DATA}text/t5/spiece.model.gz`));
const wordPieces = () => readFile(`${DATA}preference/vocab.txt`, 'utf8');

/** BERT's `tokenizer.json`, as transformers writes it. */
async function bertJson(changes: Readonly<Record<string, object>> = {}) {
  const pieces = (await wordPieces()).trimEnd().split('\n');
  const model = {
    type: 'WordPiece',
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
  };
  return JSON.stringify({
    model: { ...model, vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])), ...changes.model },
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
      ...changes.normalizer,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
  });
}

describe('the files of a folder decide which tokenizer it is', () => {
  it('by their names', async () => {
    expect(await openTokenizer(`${DATA}text`)).toMatchObject({ model: 'BPE', tokenizer: { maxLength: 77 } });
    const t5 = await folderWith({ 'spiece.model': await sentencePiece() });
    expect(await openTokenizer(t5)).toMatchObject({ model: 'Unigram', tokenizer: { endId: 1, padId: 0 } });
    const bert = await folderWith({ 'vocab.txt': await wordPieces() });
    expect(await openTokenizer(bert)).toMatchObject({ model: 'WordPiece' });
    for (const dir of [`${DATA}text`, t5, bert]) expect(await hasTokenizer(dir)).toBe(true);
    expect(await hasTokenizer(root)).toBe(false);
    expect(await tokenizerModel(root)).toBeUndefined();
  });

  it('by the model that tokenizer.json states, whatever is beside it', async () => {
    const dir = await folderWith({
      'tokenizer.json': await bertJson(),
      'spiece.model': await sentencePiece(),
    });
    const opened = await openTokenizer(dir);
    expect(opened.model).toBe('WordPiece');
    const same = await openTokenizer(await folderWith({ 'vocab.txt': await wordPieces() }));
    const text = 'a photographer, unaffable';
    expect(opened.tokenizer.encode(text, 12)).toEqual(same.tokenizer.encode(text, 12));
    expect(opened.tokenizer.encode(text, 4)).toMatchObject({ truncated: true, length: 4 });
    const old = await folderWith({ 'tokenizer.json': '{"model": {"merges": []}}' });
    expect(await messageOf(openTokenizer(old))).toContain(
      "model.type is undefined, which is not supported; CLIP's",
    );
  });

  it('and one of another kind than is needed is named', async () => {
    const t5 = await folderWith({ 'spiece.model': await sentencePiece() });
    expect((await loadT5Tokenizer(t5)).vocabSize).toBe(2100);
    expect(await messageOf(loadTokenizer(t5))).toBe(
      `tokenizer: ${t5}: its model is Unigram, that of T5's tokenizer; CLIP's is needed here, whose model is BPE`,
    );
    expect(await messageOf(loadT5Tokenizer(`${DATA}text`))).toContain(
      "its model is BPE, that of CLIP's tokenizer; T5's",
    );
  });
});

it('a folder without a usable tokenizer is refused in one line', async () => {
  expect(await messageOf(openTokenizer(root))).toContain(
    'has none; it must hold tokenizer.json, or vocab.json',
  );
  const refusal = async (text: string) =>
    messageOf(openTokenizer(await folderWith({ 'tokenizer.json': text })));
  expect(await refusal('{}')).toContain('tokenizer.json has no model');
  expect(await refusal('{"model": {"type": "WordLevel"}}')).toContain(
    "model.type is \"WordLevel\", which is not supported; known are BPE (CLIP's), WordPiece (BERT's), Unigram (T5's)",
  );
  expect(await refusal(await bertJson({ normalizer: { lowercase: false } }))).toContain(
    "normalizer.lowercase is false, which is not supported; BERT's is true",
  );
  expect(await refusal(await bertJson({ model: { unk_token: '<unk>' } }))).toContain(
    'model.unk_token is "<unk>"',
  );
  expect(await refusal(await bertJson({ model: { vocab: { '[PAD]': 0, a: 2 } } }))).toContain(
    'model.vocab: no piece, or more than one, has the id 1',
  );
  const cased = await folderWith({
    'vocab.txt': await wordPieces(),
    'tokenizer_config.json': '{"do_lower_case": false}',
  });
  expect(await messageOf(openTokenizer(cased))).toContain(
    "do_lower_case false is not supported; BERT's is true",
  );
  const half = await folderWith({});
  await copyFile(`${DATA}text/merges.txt`, path.join(half, 'merges.txt'));
  expect(await messageOf(openTokenizer(half))).toContain('vocab.json: the file does not exist');
});
