import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { base64 } from '../../platform/bytes.ts';
import { messageOf } from '../../weights/testing.ts';
import type { TokenizerTexts } from '../tokenizer-files.ts';
import { createCharsmap } from './charsmap.ts';
import { parseSentencePiece, type SentencePieceModel } from './sentence-piece.ts';
import { parseT5Tokenizer } from './t5-tokenizer-files.ts';
import { createUnigramTokenizer, type UnigramTokenizer } from './unigram-tokenizer.ts';

interface Case {
  readonly text: string;
  readonly ids: readonly number[];
}
interface Cases {
  readonly files: Readonly<Record<'tokenizer.json' | 'tokenizer_config.json', Record<string, unknown>>>;
  readonly listedConfig: Readonly<Record<string, unknown>>;
  readonly hard: readonly Case[];
  readonly fuzzed: readonly Case[];
  readonly listed: readonly Case[];
  readonly lengths: readonly Case[];
}

const DATA = new URL('../../../../../fixtures/data/text/t5/', import.meta.url);
const unpacked = async (name: string) => gunzipSync(await readFile(new URL(name, DATA)));

let model: Uint8Array;
let cases: Cases;
let parsed: SentencePieceModel;
beforeAll(async () => {
  model = new Uint8Array(await unpacked('spiece.model.gz'));
  cases = JSON.parse((await unpacked('cases.json.gz')).toString());
  parsed = parseSentencePiece(model, 'spiece.model');
});

/** `tokenizer.json` with changes, and the other files of its folder. */
function textsWith(
  changes: Readonly<Record<string, unknown>> = {},
  config: unknown = cases.files['tokenizer_config.json'],
) {
  const charsmap = base64(parsed.charsmap ?? new Uint8Array());
  const normalizer = { type: 'Precompiled', precompiled_charsmap: charsmap };
  const file = { ...cases.files['tokenizer.json'], normalizer, ...changes };
  return { tokenizer: JSON.stringify(file), config: JSON.stringify(config) } satisfies TokenizerTexts;
}

const idsOf = (tokenizer: UnigramTokenizer, text: string) => [
  ...tokenizer.pieces(text).map(({ id }) => id),
  tokenizer.endId,
];

/** Those of which the ids differ. */
const differing = (tokenizer: UnigramTokenizer, all: readonly Case[]) =>
  all.filter(({ text, ids }) => idsOf(tokenizer, text).join() !== ids.join()).map(({ text }) => text);

describe('the ids of transformers', () => {
  it.each(['tokenizer.json', 'spiece.model'])('from %s, of hard strings and of strings by chance', (file) => {
    const isJson = file === 'tokenizer.json';
    const tokenizer = parseT5Tokenizer(isJson ? textsWith() : {}, isJson ? undefined : model, 't5');
    expect(cases.hard.length).toBeGreaterThan(20);
    expect(cases.fuzzed.length).toBeGreaterThanOrEqual(500);
    expect(differing(tokenizer, cases.hard)).toEqual([]);
    expect(differing(tokenizer, cases.fuzzed)).toEqual([]);
    expect(tokenizer.vocabSize).toBe(2100);
  });

  it('names what no piece has', () => {
    const tokenizer = parseT5Tokenizer(textsWith(), undefined, 't5');
    expect(tokenizer.unknownWords('a house \u4e16\u754c, a \u4e16\u754c </s>')).toEqual(['\u4e16\u754c']);
    expect(tokenizer.unknownWords('a house')).toEqual([]);
  });

  it('of a file in the form of transformers 4', () => {
    const { normalizer } = JSON.parse(textsWith().tokenizer);
    const spaces = [
      { type: 'Strip', strip_left: false, strip_right: true },
      { type: 'Replace', pattern: { Regex: ' {2,}' }, content: '\u2581' },
    ];
    const changes = {
      normalizer: { type: 'Sequence', normalizers: [normalizer, ...spaces] },
      pre_tokenizer: { type: 'Metaspace', replacement: '\u2581', add_prefix_space: true },
    };
    expect(differing(parseT5Tokenizer(textsWith(changes), undefined, 't5'), cases.hard)).toEqual([]);
  });

  it('with added tokens that the configuration lists', () => {
    const tokenizer = parseT5Tokenizer(textsWith({}, cases.listedConfig), undefined, 't5');
    expect(differing(tokenizer, cases.listed)).toEqual([]);
    expect(tokenizer.vocabSize).toBe(2102);
  });

  it('padded and cut off to a length', () => {
    const tokenizer = parseT5Tokenizer(textsWith(), undefined, 't5');
    const [short, long] = cases.lengths.map(({ text, ids }) => {
      const encoded = tokenizer.encode(text, ids.length);
      expect([...encoded.ids]).toEqual(ids);
      return { ...encoded, all: tokenizer.pieces(text) };
    });
    expect(short).toMatchObject({ truncated: false, lost: 0, length: short.all.length + 1 });
    expect(short.tokens.join('')).toBe('\u2581a\u2581photo\u2581of\u2581a\u2581cat');
    expect(long).toMatchObject({ truncated: true, lost: long.all.length - 23, length: 24 });
    expect(long.tokens).toHaveLength(23);
  });
});

it('any text has ids of the vocabulary, and its pieces make the words', () => {
  const tokenizer = parseT5Tokenizer({}, model, 't5');
  const letters = fc.oneof(fc.integer({ min: 0, max: 0x10ffff }), fc.integer({ min: 32, max: 126 }));
  const texts = fc.array(letters, { maxLength: 20 }).map((codes) => String.fromCodePoint(...codes));
  const fits = fc.property(texts, fc.integer({ min: 1, max: 12 }), (text, length) => {
    const { ids, tokens, lost } = tokenizer.encode(text, length);
    const known = ids.every((id) => id >= 0 && id < tokenizer.vocabSize);
    return known && ids.length === length && tokens.length + lost === tokenizer.pieces(text).length;
  });
  fc.assert(fits, { numRuns: 200 });
});

describe('a vocabulary in memory, with the ids of the Rust tokenizer', () => {
  /** Ids and pieces of a text, of a vocabulary whose first piece is the unknown one. */
  function divided(scored: Readonly<Record<string, number>>, text: string): string {
    const tokenizer = createUnigramTokenizer({
      pieces: [['<unk>', 0], ...Object.entries(scored)],
      unknownId: 0,
      endId: 0,
      padId: 0,
      normalise: (given) => given,
      added: [],
    });
    return tokenizer
      .pieces(text)
      .map((piece) => `${piece.id} ${piece.text}`)
      .join(' ');
  }
  const even = { '\u2581': -1, a: -1, ab: -2, b: -1, bc: -2, c: -1 };

  it('takes the first of equally likely ways to each place', () => {
    expect(divided(even, 'ababc')).toBe('1 \u2581 3 ab 2 a 5 bc');
  });

  it('joins unknown letters, of whatever length in UTF-16', () => {
    expect(divided(even, 'xya zz')).toBe('1 \u2581 0 xy 2 a 1 \u2581 0 zz');
    expect(divided(even, 'bcab<unk>x')).toBe('1 \u2581 5 bc 3 ab 0 <unk>x');
    expect(divided(even, '\u{1f431}a\ud83d')).toBe('1 \u2581 0 \u{1f431} 2 a 0 \ufffd');
  });

  const uneven = { '\u2581': -1, a: -2, ab: -1, b: -3, bc: -9, '\u2581a': -4 };

  it('avoids unknown letters: each costs 10 more than the least likely piece', () => {
    expect(divided(uneven, 'babc')).toBe('1 \u2581 4 b 2 a 5 bc');
  });

  it('begins a word at the sign of the space as well, and puts none in front of it', () => {
    expect(divided(uneven, '\u2581\u2581b a\u2581b\u2581 \u2581b')).toBe(
      '1 \u2581 1 \u2581 4 b 1 \u2581 2 a 1 \u2581 4 b 1 \u2581 1 \u2581 4 b',
    );
  });
});

describe('a broken file is refused in one line', () => {
  const refusal = (changes: Readonly<Record<string, unknown>>, config?: unknown) =>
    messageOf(() => parseT5Tokenizer(textsWith(changes, config), undefined, 't5'));
  const ofModel = (bytes: Uint8Array, texts: TokenizerTexts = {}) =>
    messageOf(() => parseT5Tokenizer(texts, bytes, 't5'));

  it('of tokenizer.json', async () => {
    const { model: own } = cases.files['tokenizer.json'] as { model: object };
    expect(await refusal({ normalizer: { type: 'NFKC' } })).toContain(
      "t5/tokenizer.json: its normalizer is not supported; T5's is Precompiled",
    );
    const spaces = { type: 'Strip', strip_left: true, strip_right: true };
    const { normalizer } = JSON.parse(textsWith().tokenizer);
    const both = { type: 'Sequence', normalizers: [normalizer, spaces] };
    expect(await refusal({ normalizer: both })).toContain('its normalizer is not supported');
    const packed = { type: 'Precompiled', precompiled_charsmap: '\u00e9' };
    expect(await refusal({ normalizer: packed })).toContain('is not base64');
    expect(await refusal({ pre_tokenizer: { type: 'Whitespace' } })).toContain(
      'its pre_tokenizer is not supported',
    );
    const first = { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'first', split: true };
    expect(await refusal({ pre_tokenizer: first })).toContain('its pre_tokenizer is not supported');
    expect(await refusal({ post_processor: null })).toContain('its post_processor is not supported');
    expect(await refusal({ padding: { direction: 'Left' } })).toContain(
      'padding.direction "Left" is not supported',
    );
    expect(await refusal({ truncation: { direction: 'Left' } })).toContain('truncation.direction');
    expect(await refusal({ model: { ...own, vocab: [['a', 'b']] } })).toContain(
      'a piece must be a text with a score',
    );
    expect(await refusal({ model: { ...own, vocab: [] } })).toContain('must be a list of pieces');
    expect(await refusal({ model: { ...own, unk_id: 5000 } })).toContain(
      'model.unk_id must be the id of a piece',
    );
    expect(await refusal({ model: { ...own, byte_fallback: true } })).toContain(
      'model.byte_fallback is true',
    );
    expect(await refusal({ added_tokens: 3 })).toContain('added_tokens must be a list');
    expect(await refusal({}, { add_bos_token: true })).toBe(
      "tokenizer: t5/tokenizer_config.json: add_bos_token true is not supported; T5's is false",
    );
    expect(await refusal({}, { pad_token: null })).toContain('pad_token must name a token, got null');
  });

  it('of spiece.model', async () => {
    expect(await ofModel(new Uint8Array())).toContain(
      't5/spiece.model: it is no SentencePiece model: it has no pieces',
    );
    expect(await ofModel(model.subarray(0, model.length - 7))).toContain('it is no SentencePiece model (');
    const piece = (text: string, type: number) => [
      10,
      4 + text.length,
      10,
      text.length,
      ...Buffer.from(text),
      24,
      type,
    ];
    const kind = (value: number) => [18, 2, 24, value];
    const unknown = piece('<unk>', 2);
    const bytes = (...parts: number[][]) => Uint8Array.from(parts.flat());
    expect(await ofModel(bytes(unknown, kind(2)))).toContain('its model_type is 2');
    expect(await ofModel(bytes(unknown, piece('<0x0A>', 6)))).toContain('the piece "<0x0A>" has type 6');
    expect(await ofModel(bytes(piece('a', 1)))).toContain('it has no piece for what is unknown');
    expect(await ofModel(bytes([10, 7, 10, 0, 21, 0, 0, 128, 127]))).toContain('has the score Infinity');
    expect(await ofModel(model, { config: '{"extra_ids": -1}' })).toContain(
      'extra_ids must be a whole number',
    );
    // No sentinels but those that the file says, and a text without a table of replacements stays.
    const tiny = parseT5Tokenizer(
      { config: '{"extra_ids": 0}' },
      bytes(piece('<pad>', 3), piece('</s>', 3), unknown),
      't5',
    );
    expect(idsOf(tiny, '\uff21')).toEqual([2, 1]);
    expect(tiny.vocabSize).toBe(3);
  });

  it('of the table of replacements', async () => {
    const charsmap = parsed.charsmap ?? new Uint8Array();
    const refused = (bytes: Uint8Array) =>
      messageOf(() => createCharsmap(bytes, 'x')('\uff21 \u00bd e\u0301'));
    expect(await refused(new Uint8Array(3))).toContain(
      'tokenizer: x: its charsmap is broken: it has 3 bytes',
    );
    expect(await refused(charsmap.subarray(0, 1000))).toContain('its trie has');
    expect(await refused(Uint8Array.of(4, 0, 0, 0, 0, 255, 255, 255))).toContain(
      'its trie leads out of itself',
    );
    const cut = charsmap.slice(0, 4 + new DataView(charsmap.slice(0, 4).buffer).getUint32(0, true));
    expect(await refused(cut)).toContain('a replacement is missing');
  });

  it('whatever bytes are changed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(model.length - 1), fc.nat(255)), { minLength: 1, maxLength: 5 }),
        (changes) => {
          const broken = model.slice();
          for (const [place, byte] of changes) broken[place] = byte;
          try {
            idsOf(parseT5Tokenizer({}, broken, 't5'), 'a Photo \uff21 e\u0301');
          } catch (error) {
            expect((error as Error).message).toMatch(/^tokenizer: [^\n]+$/);
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});
