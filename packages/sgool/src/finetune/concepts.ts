/**
 * @file Lists of concepts: the things whose pairs a fine-tuning at large scale sees. A text with one concept on each line:
 *
 *     # animals
 *     cat
 *     polar bear
 *     red car = car
 *
 * Empty lines and lines that begin with `#` are passed over. Behind `=` stands the word whose attention is trained, if that is
 * not the whole concept. An article at the beginning is passed over: templates bring their own.
 */
import { UserError } from '../errors.ts';

/** A thing that a model is to draw beside others. */
export interface Concept {
  /** As it stands in prompts, without an article. */
  readonly phrase: string;
  /** The word, or words, of it whose attention is trained. */
  readonly word: string;
}

const ARTICLE = /^(a|an|the)\s+/i;
const LONGEST = 200;

/** A concept of a phrase, whose word is the whole of it unless it is given. */
export function conceptOf(text: string, word?: string): Concept {
  const phrase = text.trim().replace(/\s+/g, ' ').replace(ARTICLE, '');
  return { phrase, word: word ?? phrase };
}

/** Whether a phrase has a word, or several in a row. */
export const hasWord = (phrase: string, word: string): boolean =>
  ` ${phrase.toLowerCase()} `.includes(` ${word.toLowerCase()} `);

/**
 * Reads a list.
 *
 * @param owner names the file in messages
 * @throws UserError that names the first line that is wrong, or says that there are fewer than two concepts
 */
export function parseConcepts(text: string, owner: string): Concept[] {
  const concepts: (Concept & { readonly line: number })[] = [];
  for (const [i, raw] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n?|\n/)
    .entries()) {
    const line = i + 1;
    const content = raw.trim();
    if (content === '' || content.startsWith('#')) continue;
    const wrong = (what: string) => new UserError(`${owner}: line ${line}: ${what}`);
    const [phrase, ...words] = content.split('=').map((part) => part.trim());
    if (phrase === '' || words.includes('') || words.length > 1) {
      throw wrong(`not usable, got "${content}"; write a concept, or concept = word`);
    }
    if (phrase.length > LONGEST) throw wrong(`${phrase.length} characters; at most ${LONGEST} are allowed`);
    const concept = conceptOf(phrase, words[0]);
    if (!hasWord(concept.phrase, concept.word)) {
      throw wrong(`"${concept.phrase}" does not have the word "${concept.word}"`);
    }
    const clash = concepts.find(({ word }) => hasWord(word, concept.word) || hasWord(concept.word, word));
    if (clash !== undefined) {
      throw wrong(
        clash.word === concept.word
          ? `"${concept.word}" stands in line ${clash.line} already`
          : `"${concept.word}" and "${clash.word}" of line ${clash.line} share a word, so their attention cannot be told apart`,
      );
    }
    concepts.push({ ...concept, line });
  }
  if (concepts.length < 2) {
    throw new UserError(`${owner}: ${concepts.length} concepts; pairs need at least two`);
  }
  return concepts.map(({ phrase, word }) => ({ phrase, word }));
}

/** A template with its places filled; `a` before a vowel becomes `an`. */
export function filledTemplate(template: string, phrases: readonly string[]): string {
  return phrases.reduce(
    (text, phrase, i) =>
      text.replace(new RegExp(`(\\ba )?\\{${i + 1}\\}`, 'i'), (_, article?: string) => {
        if (article === undefined) return phrase;
        return /^[aeiou]/i.test(phrase) ? `${article.trimEnd()}n ${phrase}` : `${article}${phrase}`;
      }),
    template,
  );
}
