import { describe, expect, it } from 'vitest';
import { regionTexts, writtenTexts } from './region-texts.ts';

const texts = (written: string, own = ['one', 'two', 'three']) => regionTexts(written, 'the prompt', own);

describe('regionTexts', () => {
  it('are those of the regions where nothing is written', () => {
    expect(texts('')).toEqual(['one', 'two', 'three']);
    expect(texts('  ')).toEqual(['one', 'two', 'three']);
  });

  it('are one for each region, and the last one for the others', () => {
    expect(texts('a cat')).toEqual(['a cat', 'a cat', 'a cat']);
    expect(texts('a cat [SEP]a boat')).toEqual(['a cat', 'a boat', 'a boat']);
    expect(texts('a cat[SEP]a boat[SEP]a hat[SEP]a dog')).toEqual(['a cat', 'a boat', 'a hat']);
  });

  it('leave a region without a text of its own what it had', () => {
    expect(texts('a cat [SEP] [SEP] a hat')).toEqual(['a cat', 'two', 'a hat']);
  });

  it('hold the prompt, or say that a region stays as it is', () => {
    expect(texts('[PROMPT], blue, [PROMPT] [SEP] [SKIP] [SEP] a [SKIP] hat')).toEqual([
      'the prompt, blue, the prompt',
      undefined,
      'a [SKIP] hat',
    ]);
  });
});

it('writtenTexts are what the model reads of them', () => {
  expect(writtenTexts('[PROMPT], blue [SEP] [SKIP] [SEP] [SEP] a hat')).toEqual([', blue', 'a hat']);
  expect(writtenTexts('')).toEqual([]);
});
