/** @file The texts that regions are repainted under, as After Detailer's users write them. */

const SEPARATOR = '[SEP]';
const PROMPT = '[PROMPT]';
const SKIP = '[SKIP]';

/**
 * One text for each region. Of texts with `[SEP]` between them each region has its own, and the regions behind the last one share that.
 * `[PROMPT]` becomes the prompt; an empty text is what the region would have had without one.
 *
 * Reference: Bing-su/adetailer, README (prompt separator, `[SKIP]`, `[PROMPT]`)
 *
 * @param written by the user
 * @param prompt of the whole image
 * @param own text of each region where nothing is written
 * @returns undefined for a region whose text is `[SKIP]`: it stays as it is
 */
export function regionTexts(written: string, prompt: string, own: readonly string[]): (string | undefined)[] {
  const texts = written.split(SEPARATOR).map((text) => text.trim());
  return own.map((fallback, i) => {
    const text = texts[Math.min(i, texts.length - 1)];
    if (text === SKIP) return undefined;
    return text === '' ? fallback : text.replaceAll(PROMPT, prompt);
  });
}

/** All texts that a user wrote for regions, without those that stand for something else. */
export const writtenTexts = (written: string): string[] =>
  written
    .split(SEPARATOR)
    .map((text) => text.replaceAll(PROMPT, '').trim())
    .filter((text) => text !== '' && text !== SKIP);
