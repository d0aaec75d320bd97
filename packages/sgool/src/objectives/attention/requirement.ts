/**
 * @file What the attention shall do, as a text: which things exist, which do not overlap, which attribute belongs to which thing.
 *
 *     cat and dog            both have a place
 *     cat apart from dog     no place has both
 *     dog: blue, furry       where there is the one there is the other
 *
 * Clauses are separated by semicolons. A word is one of the prompt, or several in a row; `cat#2` is its second occurrence.
 *
 * Reference: Sueyoshi and Matsubara 2024, "Predicated Diffusion: Predicate Logic-Based Attention Guidance for Text-to-Image Diffusion
 * Models", whose propositions these are.
 */
import { UserError } from '../../errors.ts';
import type { CrossAttention } from '../../models/cross-attention.ts';

/** What the attention shall do. Numbers are indices of words. */
export interface Requirement {
  /** As they are in the prompt; perhaps with the number of their occurrence behind #. */
  readonly words: readonly string[];
  /** Words that shall have a place. */
  readonly exists: readonly number[];
  /** Pairs that shall have no place in common. */
  readonly apart: readonly (readonly [number, number])[];
  /** Pairs of an attribute and the thing that it belongs to. */
  readonly belongs: readonly (readonly [attribute: number, thing: number])[];
}

/** Collects clauses; each word is noted once. */
export function requirementBuilder() {
  const words: string[] = [];
  const exists: number[] = [];
  const apart: [number, number][] = [];
  const belongs: [number, number][] = [];
  const indexOf = (word: string) => {
    if (!words.includes(word)) words.push(word);
    return words.indexOf(word);
  };
  return {
    exists: (word: string) => void exists.push(indexOf(word)),
    apart: (one: string, other: string) => void apart.push([indexOf(one), indexOf(other)]),
    belongs: (attribute: string, thing: string) => void belongs.push([indexOf(attribute), indexOf(thing)]),
    done: (): Requirement => ({ words, exists: [...new Set(exists)], apart, belongs }),
  };
}

const FORM = 'write "cat and dog", "cat apart from dog" or "dog: blue", with ; between them';

/** Reads a requirement. @throws UserError where it is not of the form above */
export function parseRequirement(text: string): Requirement {
  const built = requirementBuilder();
  const clauses = text.split(';').map((clause) => clause.trim().toLowerCase().replaceAll(/\s+/g, ' '));
  const wordsOf = (list: string, separator: RegExp) => {
    const found = list.split(separator).map((word) => word.trim());
    if (found.every((word) => word !== '')) return found;
    throw new UserError(`require: not usable, got ${JSON.stringify(text.slice(0, 80))}; ${FORM}`);
  };
  const refuseItself = (one: string, other: string) => {
    if (one !== other) return;
    throw new UserError(
      `require: ${one} stands on both sides, got ${JSON.stringify(text.slice(0, 80))}; give two words, perhaps ${one}#1 and ${one}#2`,
    );
  };
  for (const clause of clauses) {
    const [thing, ...attributes] = wordsOf(clause, /:/);
    const [one, ...others] = wordsOf(thing, /\bapart from\b/);
    if (attributes.length > 1 || (attributes.length > 0 && others.length > 0)) wordsOf('', /;/);
    if (attributes.length > 0) {
      for (const attribute of wordsOf(attributes[0], /,|\band\b/)) {
        refuseItself(attribute, thing);
        built.belongs(attribute, thing);
      }
    } else if (others.length > 0) {
      const all = [one, ...others];
      all.forEach((first, i) => {
        for (const second of all.slice(i + 1)) {
          refuseItself(first, second);
          built.apart(first, second);
        }
      });
    } else {
      for (const word of wordsOf(clause, /,|\band\b/)) built.exists(word);
    }
  }
  return built.done();
}

/** A requirement as a text that reads as it. */
export function requirementText({ words, exists, apart, belongs }: Requirement): string {
  const clauses = [
    ...(exists.length > 0 ? [exists.map((word) => words[word]).join(' and ')] : []),
    ...apart.map(([one, other]) => `${words[one]} apart from ${words[other]}`),
    ...belongs.map(([attribute, thing]) => `${words[thing]}: ${words[attribute]}`),
  ];
  return clauses.join('; ');
}

/**
 * The indices of the tokens of a word in the prompt: of all its occurrences, or of the one whose number it has.
 *
 * @param who names the option that the word comes from, for messages
 * @throws UserError where it is not in the prompt
 */
export function tokensOf(
  word: string,
  { occurrences, pieces }: Pick<CrossAttention, 'occurrences' | 'pieces'>,
  who: string,
): readonly number[] {
  const [, phrase = word, number] = /^(.+)#(\d+)$/.exec(word) ?? [];
  const found = occurrences(phrase);
  const chosen = number === undefined ? found : found.slice(Number(number) - 1, Number(number));
  if (number !== '0' && chosen.length > 0) return chosen.flat();
  if (found.length > 0) {
    throw new UserError(`${who}: ${phrase} is ${found.length} times in the prompt, got ${word}`);
  }
  const words = pieces
    .map((piece) => piece.replace('</w>', ' '))
    .join('')
    .trim();
  throw new UserError(`${who}: ${JSON.stringify(word)} is not in the prompt, whose words are: ${words}`);
}
