import { expect, it } from 'vitest';
import { type PromptWord, promptThings } from './prompt-things.ts';

/** `cat#2 (blue)`: noun, occurrence if not the first, attributes. */
const shown = (prompt: string) =>
  promptThings(prompt).map(({ noun, attributes }) => {
    const named = ({ word, occurrence }: PromptWord) => (occurrence === 1 ? word : `${word}#${occurrence}`);
    return `${named(noun)}${attributes.length > 0 ? ` (${attributes.map(named).join(', ')})` : ''}`;
  });

it.each([
  ['a red cat left of two blue boats', ['cat (red)', 'boats (blue)']],
  ['A big furry Cat and a dog, with the moon above', ['cat (big, furry)', 'dog', 'moon']],
  ['a lion with a crown and glasses', ['lion', 'crown', 'glasses']],
  ['a photo of a cat on the wall', ['cat', 'wall']],
  ['a man riding a brown horse', ['man', 'horse (brown)']],
  ['a cat that is red', ['cat']],
  ['the mouse was chased by the cat', ['mouse', 'cat']],
  ['a red cat and a blue cat', ['cat (red)', 'cat#2 (blue)']],
  ['a green tree and a pink one', ['tree (green)', 'tree (pink)']],
  ['a black and white cat and a dog', ['cat (black, white)', 'dog']],
  ['cats, red birds', ['cats', 'birds (red)']],
  ['cats and dogs', ['cats', 'dogs']],
  ['a red cat; a red car', ['cat (red)', 'car (red#2)']],
  ['a cat without a dog', ['cat']],
  ['and, of a', []],
  ['', []],
])('finds the things in %j', (prompt, things) => {
  expect(shown(prompt)).toEqual(things);
});
