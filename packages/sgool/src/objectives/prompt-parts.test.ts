import { describe, expect, it } from 'vitest';
import { assignParts, promptParts } from './prompt-parts.ts';

describe('promptParts', () => {
  it.each([
    ['a red cat left of two blue boats', ['a red cat', 'two blue boats']],
    ['A cat and a dog, with the moon above', ['a cat', 'a dog', 'the moon']],
    ['a big green star in front of a house', ['a big green star', 'a house']],
    ['a cat', ['a cat']],
    ['of, a cat and', ['a cat']],
    ['and cats, or birds on', ['cats', 'birds']],
    ['cats', ['cats']],
    ['of it, and', ['of it, and']],
    ['', ['']],
    ['a white umbrella larger than an orange flower', ['a white umbrella', 'an orange flower']],
    ['above a white balloon there is an orange flower', ['a white balloon', 'an orange flower']],
    ['a blue boat is followed on the right by a star', ['a blue boat', 'a star']],
    ['a cat, is painted red', ['a cat']],
    ['the vase was worn by the man', ['the vase', 'the man']],
    ['a cat is sleeping on a mat', ['a cat is sleeping', 'a mat']],
    ["a red cat's hat and the dog’s ball", ["a red cat's hat", "the dog's ball"]],
    ['a black and white cat', ['a black and white cat']],
    ['a cat and a cat', ['a cat']],
    ['photo of cats', ['cats']],
    ['photos of cats and dogs', ['cats and dogs']],
    ['cats and one, two dogs', ['cats', 'one', 'two dogs']],
    ['a cat with one', ['a cat', 'one']],
    ['a king and a blue one', ['a king', 'a blue king']],
    ['a red king and a blue one', ['a red king', 'a blue king']],
    ['a tall building and a small one', ['a tall building', 'a small building']],
    ['a red man running and a blue one', ['a red man running', 'a blue man']],
    ['a cat sitting and a blue one', ['a cat sitting', 'a blue cat']],
  ])('finds the things in %j', (prompt, parts) => {
    expect(promptParts(prompt)).toEqual(parts);
  });

  it.each([
    ['a red cat without a blue boat', ['a red cat']],
    ['a purple bird and no mushroom', ['a purple bird']],
    ['a cat and not a boat', ['a cat']],
    ['not a cat but a dog', ['a dog']],
    ['a cat, but not a dog', ['a cat']],
    ['not only a cat but also a dog', ['a cat', 'a dog']],
    ['a cat instead of a dog', ['a cat']],
    ['a cat rather than a dog, on a mat', ['a cat', 'a mat']],
    ['a room with everything except a chair', ['a room with everything']],
    ['a man never wearing a hat', ['a man']],
    ["there is a cat, there isn't a dog", ['a cat']],
    ['a clock with no hands', ['a clock']],
    ['a cat, neither a dog nor a bird', ['a cat']],
    ['a bike rack but no bicycles', ['a bike rack']],
    ['a plate that has no bananas on it. a glass without juice', ['a plate', 'a glass']],
    ['a beach without people, boats, or a dog, with a red umbrella', ['a beach', 'a red umbrella']],
    ['a beach without people, boats, a dog', ['a beach', 'a dog']],
    ['a beach without a boat, a cat and a dog', ['a beach', 'a cat', 'a dog']],
    ['a beach without a boat, a cat and a dog or a bird', ['a beach', 'a cat', 'a dog', 'a bird']],
    ['a beach without boats, and cats', ['a beach', 'cats']],
    ['a beach without a boat, a car or a bus', ['a beach']],
    ['a beach without a boat, a car, a bus or a bike', ['a beach']],
    ['a beach without a boat, a car. a bus or a bike', ['a beach', 'a car', 'a bus', 'a bike']],
    ['a not only red cat', ['a red cat']],
    ['a man without a hat with a beard', ['a man', 'a beard']],
    ['no boats, cars or people', []],
    ['neither a cat nor a dog', []],
    ['without', []],
  ])('leaves out what %j excludes', (prompt, parts) => {
    expect(promptParts(prompt)).toEqual(parts);
  });

  it.each([
    ['a photo of a red cat', ['a red cat']],
    ['photo of a cat', ['a cat']],
    [
      'a highly detailed oil painting of a fox in the style of van gogh, 4k, trending on artstation',
      ['a fox'],
    ],
    ['a fox, by a famous painter', ['a fox', 'a famous painter']],
    ['a fox, by claude monet', ['a fox']],
    ['a black and white photo of a street in the background', ['a street']],
    ['a flag with a drawing of a dinosaur on it', ['a flag', 'a dinosaur']],
    ['a man taking pictures with a camera', ['a man taking pictures', 'a camera']],
    ['a cat in the middle, a dog on the other side', ['a cat', 'a dog']],
    ['a red cup and a boat of its own colour', ['a red cup', 'a boat']],
  ])('leaves out of %j what is no thing', (prompt, parts) => {
    expect(promptParts(prompt)).toEqual(parts);
  });

  it.each([
    ['a green tree and a pink one', ['a green tree', 'a pink tree']],
    ['two red cups and three blue ones', ['two red cups', 'three blue cups']],
    ['a green tree standing on a hill and a pink one', ['a green tree standing', 'a hill', 'a pink hill']],
    ['a big tree falling and a pink one', ['a big tree falling', 'a pink tree']],
    ['one cat and one dog', ['one cat', 'one dog']],
    ['a pink one and a cat', ['a cat']],
  ])('says what stands in for a thing in %j', (prompt, parts) => {
    expect(promptParts(prompt)).toEqual(parts);
  });
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
