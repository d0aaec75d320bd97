import { expect, it } from 'vitest';
import { assignParts, promptParts } from './prompt-parts.ts';

it.each([
  ['a red cat left of two blue boats', ['a red cat', 'two blue boats']],
  ['A cat and a dog, with the moon above', ['a cat', 'a dog', 'the moon']],
  ['a big green star in front of a house', ['a big green star', 'a house']],
  ['photo of a cat', ['photo', 'a cat']],
  ['a cat', ['a cat']],
  ['and cats, or without dogs on', ['cats', 'dogs']],
  ['of, a cat and', ['of, a cat and']],
  ['cats', ['cats']],
  ['', ['']],
])('finds the things in %j', (prompt, parts) => {
  expect(promptParts(prompt)).toEqual(parts);
});

it('gives every part to a region before any is given twice', () => {
  const likeness = [
    [0.9, 0.2],
    [0.8, 0.3],
    [0.7, 0.1],
  ];
  const similarity = (r: number, p: number) => likeness[r][p];
  expect(assignParts(3, 2, similarity)).toEqual([0, 1, 0]);
  expect(assignParts(1, 2, similarity)).toEqual([0]);
  expect(assignParts(0, 2, similarity)).toEqual([]);
  expect(assignParts(2, 0, similarity)).toEqual([-1, -1]);
});

it('gives the most similar pair away first', () => {
  const likeness = [
    [0.3, 0.2],
    [0.9, 0.1],
  ];
  expect(assignParts(2, 2, (r, p) => likeness[r][p])).toEqual([1, 0]);
});
