import { describe, expect, it } from 'vitest';
import { parseRequirement, requirementText, tokensOf } from './requirement.ts';

describe('a requirement', () => {
  it.each([
    ['cat and dog', { words: ['cat', 'dog'], exists: [0, 1], apart: [], belongs: [] }],
    ['Cat,  dog; dog: blue', { words: ['cat', 'dog', 'blue'], exists: [0, 1], apart: [], belongs: [[2, 1]] }],
    [
      'cat apart from dog apart from bird',
      {
        words: ['cat', 'dog', 'bird'],
        exists: [],
        apart: [
          [0, 1],
          [0, 2],
          [1, 2],
        ],
        belongs: [],
      },
    ],
    [
      'teddy bear#2: blue, furry and small',
      {
        words: ['blue', 'teddy bear#2', 'furry', 'small'],
        exists: [],
        apart: [],
        belongs: [
          [0, 1],
          [2, 1],
          [3, 1],
        ],
      },
    ],
    ['cat; cat', { words: ['cat'], exists: [0], apart: [], belongs: [] }],
  ])('is read from %j', (text, wanted) => {
    expect(parseRequirement(text)).toEqual(wanted);
  });

  it.each([
    'cat and',
    'cat;;dog',
    ': blue',
    'dog:',
    'a: b: c',
    'cat apart from',
    'cat apart from dog: blue',
    ',',
  ])('is refused in one line: %j', (text) => {
    expect(() => parseRequirement(text)).toThrow(
      `require: not usable, got ${JSON.stringify(text)}; write "cat and dog", "cat apart from dog" or "dog: blue", with ; between them`,
    );
  });

  it.each(['cat apart from cat', 'cat: red, cat', 'Cat apart from dog apart from cat'])(
    'is refused where a word stands on both sides: %j',
    (text) => {
      expect(() => parseRequirement(text)).toThrow(
        `require: cat stands on both sides, got "${text}"; give two words, perhaps cat#1 and cat#2`,
      );
    },
  );

  it('is a text again', () => {
    const text = 'cat and dog; cat apart from dog; dog: blue';
    expect(requirementText(parseRequirement(text))).toBe(text);
  });
});

describe('the tokens of a word', () => {
  const prompt = {
    pieces: ['a</w>', 'cat</w>', 'and</w>', 'a</w>', 'ted', 'dy</w>', 'cat</w>'],
    occurrences: (phrase: string) => ({ cat: [[2], [7]], teddy: [[5, 6]] })[phrase] ?? [],
  };

  it('are those of all its occurrences, or of one', () => {
    expect(tokensOf('cat', prompt, 'tokens')).toEqual([2, 7]);
    expect(tokensOf('cat#2', prompt, 'tokens')).toEqual([7]);
    expect(tokensOf('teddy', prompt, 'tokens')).toEqual([5, 6]);
  });

  it.each([
    ['dog', 'require: "dog" is not in the prompt, whose words are: a cat and a teddy cat'],
    ['dog#1', 'require: "dog#1" is not in the prompt, whose words are: a cat and a teddy cat'],
    ['cat#3', 'require: cat is 2 times in the prompt, got cat#3'],
    ['cat#0', 'require: cat is 2 times in the prompt, got cat#0'],
    ['teddy#2', 'require: teddy is 1 times in the prompt, got teddy#2'],
    ['', 'require: "" is not in the prompt, whose words are: a cat and a teddy cat'],
  ])('are refused: %j', (word, message) => {
    expect(() => tokensOf(word, prompt, 'require')).toThrow(message);
  });
});
