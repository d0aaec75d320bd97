/** @file The things that a prompt names, as separate texts: "a red cat left of two boats" has "a red cat" and "two boats". */

/** Words that begin the mention of a thing. */
export const DETERMINERS = new Set(
  'a an the another some many one two three four five six seven eight nine ten his her its their my your'.split(
    ' ',
  ),
);

/** Words that join mentions and do not belong to the one before them. */
export const JOINTS = new Set(
  (
    'and or but with without in on at of to from by for as than near next beside besides behind above below over under ' +
    'inside outside into onto between front left right top bottom while that which who is are was were be being has have'
  ).split(' '),
);

/**
 * Splits a prompt into its noun phrases by a rule of thumb: a part begins at a determiner or after a comma, and loses the
 * joining words at its end. English only; a prompt in which fewer than two parts are found is its own only part.
 */
export function promptParts(prompt: string): string[] {
  const parts: string[][] = [[]];
  for (const token of prompt.toLowerCase().match(/[\p{L}\p{N}'-]+|[,;.:]/gu) ?? []) {
    const word = /[,;.:]/.test(token) ? undefined : token;
    if (word === undefined || DETERMINERS.has(word)) parts.push([]);
    if (word !== undefined) parts[parts.length - 1].push(word);
  }
  const phrases = parts.map(trimmed).filter((words) => words.some((word) => !DETERMINERS.has(word)));
  const texts = [...new Set(phrases.map((words) => words.join(' ')))];
  return texts.length < 2 ? [prompt] : texts;
}

function trimmed(words: readonly string[]): string[] {
  const belongs = (word: string) => !JOINTS.has(word);
  // Without any that belongs this is the empty stretch from -1 to 0.
  return words.slice(words.findIndex(belongs), words.findLastIndex(belongs) + 1);
}

/**
 * Assigns a part to each region, the most similar pairs first, and no part twice before all are assigned: a thing that the
 * image lacks goes to a region that shows something else.
 *
 * @param similarity of region r and part p
 * @returns index of a part for each region; -1 where there are no parts
 */
export function assignParts(
  regions: number,
  parts: number,
  similarity: (r: number, p: number) => number,
): number[] {
  const pairs = Array.from({ length: regions * parts }, (_, i) => ({
    r: Math.floor(i / parts),
    p: i % parts,
  }));
  pairs.sort((a, b) => similarity(b.r, b.p) - similarity(a.r, a.p));
  const assigned = new Array<number>(regions).fill(-1);
  let free = new Set(Array.from({ length: parts }, (_, p) => p));
  const next = () => pairs.find(({ r, p }) => assigned[r] < 0 && free.has(p));
  for (let pair = next(); pair !== undefined; pair = next()) {
    assigned[pair.r] = pair.p;
    free.delete(pair.p);
    if (free.size === 0) free = new Set(Array.from({ length: parts }, (_, p) => p));
  }
  return assigned;
}
