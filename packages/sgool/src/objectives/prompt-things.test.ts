import { expect, it } from 'vitest';
import { promptThings } from './prompt-things.ts';

/** `cat#2 (blue)`: noun, occurrence if not the first, attributes. */
const shown = (prompt: string) =>
  promptThings(prompt).map(({ noun, occurrence, attributes }) => {
    const named = (word: string, number: number) => (number === 1 ? word : `${word}#${number}`);
    const own = attributes.map((one) => named(one.word, one.occurrence));
    return `${named(noun, occurrence)}${own.length > 0 ? ` (${own.join(', ')})` : ''}`;
  });

it.each([
  ['a red cat left of two blue boats', ['cat (red)', 'boats (blue)']],
  ['A big furry Cat and a dog, with the moon above', ['cat (big, furry)', 'dog', 'moon']],
  ['a lion with a crown and glasses', ['lion', 'crown', 'glasses']],
  ['a photo of a cat and a painting on the wall', ['cat', 'painting', 'wall']],
  ['a man riding a brown horse', ['man', 'horse (brown)']],
  ['a cat that is red', ['cat']],
  ['the mouse was chased by the cat', ['mouse', 'cat']],
  ['a red cat and a blue cat', ['cat (red)', 'cat#2 (blue)']],
  ['cats, red birds', ['cats', 'birds (red)']],
  ['a red cat; a red car', ['cat (red)', 'car (red#2)']],
  ['and, of a', []],
  ['', []],
])('finds the things in %j', (prompt, things) => {
  expect(shown(prompt)).toEqual(things);
});
