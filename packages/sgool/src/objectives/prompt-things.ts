/** @file The things of a prompt as single words, with their attributes: "a red cat left of a boat" has cat (red) and boat. */
import { DETERMINERS, JOINTS } from './prompt-parts.ts';

/** A thing that a prompt names. */
export interface PromptThing {
  /** Its noun as it is in the prompt, in lower case. */
  readonly noun: string;
  /** Which occurrence of this word in the prompt it is; the first is 1. */
  readonly occurrence: number;
  /** Words between its determiner and its noun, with their occurrences. */
  readonly attributes: readonly { readonly word: string; readonly occurrence: number }[];
}

/** Words for a picture itself: what it is "of" is the thing. */
const PICTURES = new Set(
  'photo photograph picture image painting drawing sketch illustration rendering render portrait view closeup close-up shot'.split(
    ' ',
  ),
);

/** Joints behind which a thing may follow without a determiner: "a cat with glasses". */
const BEFORE_THINGS = new Set(
  'and or but with without in on at of to by for near beside above below'.split(' '),
);

/** Forms of verbs behind a noun: "a man riding a horse". */
const VERBS = new Set(
  (
    'sitting standing riding holding wearing eating playing running flying walking lying sleeping swimming jumping looking ' +
    'carrying driving reading dancing chasing chased followed covered made floating hanging surrounded watching'
  ).split(' '),
);

/**
 * Finds the things of a prompt by a rule of thumb, without a parser: a thing is the last word of a stretch that begins at a determiner or
 * behind a joining word, and ends before the next joining word, verb or comma. English only.
 */
export function promptThings(prompt: string): PromptThing[] {
  const things: PromptThing[] = [];
  const seen = new Map<string, number>();
  let stretch: { word: string; occurrence: number }[] = [];
  let opens = true;
  const close = (next: string | undefined) => {
    const noun = stretch.at(-1);
    const isPicture = noun !== undefined && PICTURES.has(noun.word) && next === 'of';
    if (noun && opens && !isPicture) {
      things.push({ noun: noun.word, occurrence: noun.occurrence, attributes: stretch.slice(0, -1) });
    }
    stretch = [];
  };
  for (const token of prompt.toLowerCase().match(/[\p{L}\p{N}'-]+|[,;.:]/gu) ?? []) {
    if (/[,;.:]/.test(token) || JOINTS.has(token) || VERBS.has(token)) {
      close(token);
      opens = BEFORE_THINGS.has(token) || token === ',';
    }
    if (DETERMINERS.has(token)) {
      close(token);
      opens = true;
    }
    if (/[,;.:]/.test(token)) continue;
    const occurrence = (seen.get(token) ?? 0) + 1;
    seen.set(token, occurrence);
    if (!JOINTS.has(token) && !VERBS.has(token) && !DETERMINERS.has(token))
      stretch.push({ word: token, occurrence });
  }
  close(undefined);
  return things;
}
