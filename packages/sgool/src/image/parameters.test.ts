import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatParameters, parseParameters } from './parameters.ts';

describe('parameters', () => {
  const settings = { Steps: 20, Sampler: 'DDIM', 'CFG scale': 7.5, Seed: 1, Size: '512x512' };

  it('are written as other tools write them', () => {
    expect(formatParameters({ prompt: 'a cat, red', negativePrompt: 'blurry', settings })).toBe(
      'a cat, red\nNegative prompt: blurry\nSteps: 20, Sampler: DDIM, CFG scale: 7.5, Seed: 1, Size: 512x512',
    );
    expect(formatParameters({ prompt: 'cat', settings: { ...settings, Note: 'a, b: "c"' } })).toBe(
      'cat\nSteps: 20, Sampler: DDIM, CFG scale: 7.5, Seed: 1, Size: 512x512, Note: "a, b: \\"c\\""',
    );
  });

  it('are read from what the web UI writes', () => {
    const text =
      'masterpiece, (cat:1.2)\nsecond line\nNegative prompt: bad, worse\nworst\n' +
      'Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 965400086, Size: 512x768, Model hash: 45dee52b, ' +
      'Lora hashes: "one: 1a, two: 2b", Version: v1.6.0';
    expect(parseParameters(text)).toEqual({
      prompt: 'masterpiece, (cat:1.2)\nsecond line',
      negativePrompt: 'bad, worse\nworst',
      settings: {
        Steps: '20',
        Sampler: 'Euler a',
        'CFG scale': '7',
        Seed: '965400086',
        Size: '512x768',
        'Model hash': '45dee52b',
        'Lora hashes': 'one: 1a, two: 2b',
        Version: 'v1.6.0',
      },
    });
  });

  it('take a last line with few settings for prompt', () => {
    expect(parseParameters('a sign: red, blue\nratio: 3, size: 4')).toEqual({
      prompt: 'a sign: red, blue\nratio: 3, size: 4',
      settings: {},
    });
    expect(() => formatParameters({ prompt: 'x', settings: { a: 1 } })).toThrow(
      'needs 3 settings or more, got 1',
    );
    expect(() => formatParameters({ prompt: 'x', settings: { ...settings, 'a:b': 1 } })).toThrow('got "a:b"');
  });

  it('come back for any prompt and values', () => {
    const line = fc.string({ unit: 'grapheme' }).map((text) => text.replace(/\s+/g, ' ').trim());
    const prompt = line.filter((text) => text !== '' && !text.startsWith('Negative prompt:'));
    const value = fc.string({ minLength: 1 }).filter((text) => !text.includes('\0'));
    const keys = fc.constantFrom('Steps', 'CFG scale', 'Saliency weight', 'a/b', 'x-y', 'Größe');
    const some = fc.dictionary(keys, value, { minKeys: 3 });
    fc.assert(
      fc.property(prompt, line, some, (text, negative, values) => {
        const parsed = parseParameters(
          formatParameters({ prompt: text, negativePrompt: negative, settings: values }),
        );
        expect(parsed.prompt).toBe(text);
        expect(parsed.negativePrompt ?? '').toBe(negative);
        expect(parsed.settings).toEqual({ ...values });
      }),
    );
  });
});
