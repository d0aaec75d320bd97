/** @file The things of a prompt as single words, with their attributes: "a red cat left of a boat" has cat (red) and boat. */
import { DETERMINERS, JOINTS, promptParts } from './prompt-parts.ts';

/** A word of a prompt. */
export interface PromptWord {
  /** In lower case. */
  readonly word: string;
  /** Which occurrence of this word in the prompt it is; the first is 1. */
  readonly occurrence: number;
}

/** A thing that a prompt names. */
export interface PromptThing {
  readonly noun: PromptWord;
  /** The words between its determiner and its noun. */
  readonly attributes: readonly PromptWord[];
}

const setOf = (text: string): ReadonlySet<string> => new Set(text.split(' '));

/** Joints behind which a thing may follow without a determiner: "a cat with glasses". */
const BEFORE_THINGS = setOf('and or but with without in on at of to by for near beside above below');

/** Forms of verbs behind a noun: "a man riding a horse". */
const VERBS = setOf(
  'sitting standing riding holding wearing eating playing running flying walking lying sleeping swimming jumping looking carrying driving ' +
    'reading dancing chasing chased followed covered made floating hanging surrounded watching',
);

/** Adjectives that "and" joins before one noun: "a black and white cat". */
const COLOURS = setOf('black white grey gray red orange yellow green blue purple pink brown gold silver');

const isNoPart = (word: string) => DETERMINERS.has(word) || JOINTS.has(word) || VERBS.has(word);

/**
 * The things of the noun phrases of a prompt ({@link promptParts}), by a rule of thumb without a parser: the last word of a phrase before what
 * joins or acts, and further ones behind such words as "with". English only.
 */
export function promptThings(prompt: string): PromptThing[] {
  const inPrompt = wordsOf(prompt);
  const used = new Map<string, number>();
  const named = (word: string): PromptWord => {
    const most = inPrompt.filter((other) => other === word).length;
    // What "one" stands for may have no second occurrence.
    const occurrence = Math.max(1, Math.min(most, (used.get(word) ?? 0) + 1));
    used.set(word, occurrence);
    return { word, occurrence };
  };
  return promptParts(prompt)
    .flatMap(stretchesOf)
    .map((stretch) => {
      const words = stretch.map(named);
      return { noun: words[words.length - 1], attributes: words.slice(0, -1) };
    });
}

/** The words between what joins or acts in a phrase, for each thing that it names. */
function stretchesOf(part: string): string[][] {
  const found: string[][] = [];
  let stretch: string[] = [];
  let names = true;
  for (const word of [...wordsOf(part), undefined]) {
    if (word !== undefined && !isNoPart(word)) {
      stretch.push(word);
      continue;
    }
    const goesOn = word === 'and' && COLOURS.has(stretch[stretch.length - 1]);
    if (goesOn) continue;
    if (stretch.length > 0 && names) found.push(stretch);
    stretch = [];
    names = word !== undefined && (BEFORE_THINGS.has(word) || DETERMINERS.has(word));
  }
  return found;
}

const wordsOf = (text: string) =>
  text.toLowerCase().match(/[\p{L}\p{N}](?:[\p{L}\p{N}'-]*[\p{L}\p{N}])?/gu) ?? [];
