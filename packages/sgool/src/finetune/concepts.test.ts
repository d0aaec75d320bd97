import { describe, expect, it } from 'vitest';
import { Generator } from '../random/generator.ts';
import { filledTemplate, parseConcepts } from './concepts.ts';
import { conceptPairs, onePrompt, wordShares } from './prompts.ts';
import { RECIPES } from './settings.ts';

describe('a list of concepts', () => {
  it('has one on each line, comments, articles, and words that stand for them', () => {
    const text = '\uFEFF# animals\r\na cat\n\n  polar   bear  \nthe red car = car\n';
    expect(parseConcepts(text, 'list.txt')).toEqual([
      { phrase: 'cat', word: 'cat' },
      { phrase: 'polar bear', word: 'polar bear' },
      { phrase: 'red car', word: 'car' },
    ]);
  });

  it.each([
    ['cat\n = cat', 'line 2: not usable, got "= cat"; write a concept, or concept = word'],
    ['cat =', 'line 1: not usable, got "cat ="'],
    ['a = b = c', 'line 1: not usable'],
    ['cat\n\nred car = boat', 'line 3: "red car" does not have the word "boat"'],
    ['cat\ndog\ncat', 'line 3: "cat" stands in line 1 already'],
    ['bear\npolar bear', 'line 2: "polar bear" and "bear" of line 1 share a word'],
    [`cat\n${'x'.repeat(201)}`, 'line 2: 201 characters; at most 200 are allowed'],
    ['cat\n# dog', '1 concepts; pairs need at least two'],
    ['', '0 concepts'],
  ])('that is wrong is refused by line: %j', (text, message) => {
    expect(() => parseConcepts(text, 'list.txt')).toThrow(`list.txt: ${message}`);
  });
});

it('a template gets its articles right', () => {
  expect(filledTemplate('a photo of a {1} and a {2}', ['cat', 'owl'])).toBe('a photo of a cat and an owl');
  expect(filledTemplate('A {2} by {1}', ['egg', 'ape'])).toBe('An ape by egg');
});

describe('prompts of a step', () => {
  const concepts = ['cat', 'dog', 'car', 'hat'].map((word) => ({ phrase: word, word }));
  const templates = { templates: ['a {1} and a {2}', 'a {1} with a {2}'], singleTemplate: 'a {1}' };

  it('use no concept twice where there are enough, and one template', () => {
    const generator = new Generator(3);
    const { draw, objects } = conceptPairs(concepts, templates);
    expect(objects).toBe(2);
    const used = new Set<string>();
    for (let step = 0; step < 20; step++) {
      const [first, second] = draw(generator, 2);
      expect(new Set([...first.words, ...second.words]).size).toBe(4);
      expect(first.text.includes('with')).toBe(second.text.includes('with'));
      expect(first.single).toBe(`a ${first.words[0]}`);
      used.add(first.text);
    }
    // Of 24 possible ones.
    expect(used.size).toBeGreaterThan(9);
  });

  it('use pairs of different concepts where there are too few', () => {
    const generator = new Generator(0);
    const { draw } = conceptPairs(concepts.slice(0, 2), templates);
    const texts = new Set<string>();
    for (let step = 0; step < 10; step++) {
      for (const { words, text } of draw(generator, 4)) {
        expect(new Set(words).size).toBe(2);
        texts.add(text);
      }
    }
    expect(texts.size).toBe(4);
  });

  it('are always the one that was given; the regulariser sees its objects in turn', () => {
    const { draw } = onePrompt('a cat and a dog', ['cat', 'dog'], RECIPES.individual);
    expect(draw(new Generator(0), 3).map(({ single }) => single)).toEqual([
      'a photo of a cat',
      'a photo of a dog',
      'a photo of a cat',
    ]);
  });
});

describe('the shares of tokens', () => {
  const positions = (_: string, word: string) => ({ cat: [2], 'polar bear': [4, 5], bear: [5] })[word] ?? [];

  it('are the mean over all tokens of a word', () => {
    const prompt = { text: 'a cat, polar bear', words: ['polar bear', 'cat'] };
    expect([...wordShares({ positions }, prompt, 7)]).toEqual([0, 0, 0, 0, 0.5, 0.5, 0, 0, 0, 1, 0, 0, 0, 0]);
  });

  it('of a word that is missing, and of two that overlap, are refused', () => {
    const of = (words: string[]) => wordShares({ positions }, { text: 'x', words }, 7);
    expect(() => of(['cat', 'dog'])).toThrow('finetune: "dog" is not in the prompt "x"');
    expect(() => of(['polar bear', 'bear'])).toThrow(
      'finetune: "polar bear" and "bear" have a token in common',
    );
  });
});
