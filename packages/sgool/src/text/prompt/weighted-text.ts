/** @file A prompt as stretches of text with weights. */

/** A stretch of text under one weight, or the place where a new chunk begins. */
export type PromptPart = { readonly text: string; readonly weight: number } | 'break';

/** Joins neighbours of the same weight, as their text must reach the tokenizer in one piece. */
export function joinEqualWeights(parts: readonly PromptPart[]): PromptPart[] {
  const joined: PromptPart[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (part === 'break' || last === undefined || last === 'break' || last.weight !== part.weight) {
      joined.push(part);
    } else {
      joined[joined.length - 1] = { text: last.text + part.text, weight: part.weight };
    }
  }
  return joined;
}

/** Longest piece of a prompt in a message. */
const SHOWN = 60;

/** A piece of a prompt for a message: in one line, and not long. */
export function excerpt(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length <= SHOWN ? line : `${line.slice(0, SHOWN)}...`;
}

/** The text alone, as critics read it: breaks are spaces, white space is collapsed. */
export function textOf(parts: readonly PromptPart[]): string {
  const text = parts.map((part) => (part === 'break' ? ' ' : part.text)).join('');
  return text.replace(/\s+/g, ' ').trim();
}
