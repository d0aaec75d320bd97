/**
 * @file The things that a prompt names, as separate texts: "a red cat left of two boats" has "a red cat" and "two boats".
 *
 * A rule of thumb for English, made of lists of words. Where it must err, it loses a part: a region never answers to what the prompt
 * excludes, nor to what is no thing.
 */

const words = (text: string): ReadonlySet<string> => new Set(text.split(' '));

/** Words that begin the mention of a thing. */
export const DETERMINERS = words(
  'a an the another some many several both this that these those one two three four five six seven eight nine ten his her its their my your our',
);

/** Words that join mentions and do not belong to the one before or after them. */
export const JOINTS = words(
  'and or but with within in on at of off to from by for as than then near next beside besides behind above below under over ' +
    'underneath beneath against along across around through inside outside into onto between among amid upon front left right top bottom ' +
    'while when where which who whose there here also only just very is are was were be being been has have had does do did it itself him himself ' +
    'herself them themselves larger smaller bigger taller shorter higher lower more less same showing depicting featuring',
);

/** Words after which a thing is left out, up to the end of the clause. */
const EXCLUDERS = words(
  "without no not never except excluding minus lacking lacks nor neither none sans cannot nothing nobody isn't aren't wasn't weren't doesn't " +
    "don't didn't hasn't haven't hadn't can't won't",
);

/** The same, in two words. */
const EXCLUDING_PAIRS = words('instead+of rather+than other+than apart+from aside+from free+of devoid+of');

/** Words after which what follows is there again. */
const INCLUDERS = words('but with while yet however only instead');

/** Kinds of images, which are no things in them: "a photo of a cat". */
const MEDIA = words(
  'photo photos photograph photographs photography picture pictures pic image images painting paintings drawing drawings illustration illustrations ' +
    'sketch sketches render rendering rendition view shot close-up closeup portrait depiction scene snapshot print poster wallpaper still ' +
    'art artwork watercolor watercolour cartoon clipart mosaic engraving etching scan screenshot footage style',
);

/** Praise and technique, which name no thing either: ", highly detailed, 4k". */
const QUALITIES = words(
  '4k 8k 16k hd uhd hdr hq detailed detail details quality resolution masterpiece realistic photorealistic hyperrealistic hyperrealism realism ' +
    'cinematic lighting focus bokeh artstation deviantart trending octane unreal engine concept digital oil 3d 35mm dslr blurred background ' +
    'award-winning award winning highly high ultra extremely intricate sharp best professional dramatic volumetric soft',
);

/** Things in -ing; other words in -ing say what a thing does: "a man running". */
const NOUNS_IN_ING = words(
  'king ring wing string spring swing sling thing building ceiling painting drawing earring wedding pudding dumpling duckling gosling starling herring ' +
    'stocking railing awning clothing icing frosting crossing clearing lightning evening morning viking',
);

/** Places and properties, which are no things: "in the background", "of its own colour". */
const PLACES = words(
  'background foreground distance middle center centre side sides corner edge rest end back colour color size shape kind type style own same each other others',
);

/** Stands for the thing before it: "a green tree and a pink one". */
const STAND_INS = words('one ones');

/** Ends a clause. */
const STOPS = words(', ; . : ! ? ( ) "');

/**
 * The noun phrases of a prompt, in its order, without those that it excludes ("without a boat", "no boats", "instead of a boat"), without the
 * name of a medium ("a photo of"), praise ("highly detailed") and places ("the background"). "A green tree and a pink one" has "a
 * pink tree". A phrase begins at a determiner or after punctuation, and loses the joining words at its ends.
 *
 * @returns the prompt itself where no part is found; nothing where all that it names is excluded
 */
export function promptParts(prompt: string): string[] {
  const text = prompt.toLowerCase().replaceAll('’', "'");
  const tokens = text.match(/[\p{L}\p{N}](?:[\p{L}\p{N}'-]*[\p{L}\p{N}])?|[,;.:!?()"]/gu) ?? [];
  const wanted = withoutExcluded(tokens);
  const parts: string[][] = [];
  for (const phrase of phrasesOf(wanted)) {
    const part = thingOf(phrase, parts.at(-1));
    if (part.length > 0) parts.push(part);
  }
  const texts = [...new Set(parts.map((part) => part.join(' ')))];
  if (texts.length > 0) return texts;
  return wanted.join() === tokens.join() ? [prompt] : [];
}

/** The tokens without those that an excluding word takes out, and without such words. */
function withoutExcluded(tokens: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < tokens.length; ) {
    const length = excluderLength(tokens, i);
    if (tokens[i] === 'not' && tokens[i + 1] === 'only') {
      // It excludes nothing.
      i += 2;
    } else if (length === 0) {
      kept.push(tokens[i]);
      i++;
    } else {
      i = excludedEnd(tokens, i + length);
      // What follows is a phrase of its own.
      kept.push(',');
    }
  }
  return kept;
}

/** Words of the excluding expression at `i`; 0 if there is none. */
function excluderLength(tokens: readonly string[], i: number): number {
  if (EXCLUDING_PAIRS.has(`${tokens[i]}+${tokens[i + 1]}`)) return 2;
  return EXCLUDERS.has(tokens[i]) ? 1 : 0;
}

/**
 * Index behind what is excluded from `begin` on: at the end of the clause or where something is said to be there. A comma does not end a
 * list: "no boats, cars or people" excludes all three.
 */
function excludedEnd(tokens: readonly string[], begin: number): number {
  for (let i = begin; i < tokens.length; i++) {
    if (INCLUDERS.has(tokens[i])) return i;
    if (STOPS.has(tokens[i]) && !(tokens[i] === ',' && listGoesOn(tokens, begin, i + 1))) return i;
  }
  return tokens.length;
}

/** Whether the excluded list that began at `begin` goes on behind a comma: up to an "or", or with another word without determiner. */
function listGoesOn(tokens: readonly string[], begin: number, next: number): boolean {
  const isBare = (i: number) => !DETERMINERS.has(tokens[i]);
  if (next >= tokens.length || INCLUDERS.has(tokens[next])) return false;
  for (let i = next; i < tokens.length && !INCLUDERS.has(tokens[i]); i++) {
    if (tokens[i] === 'or' || tokens[i] === 'nor') return true;
    if (tokens[i] === 'and' || (STOPS.has(tokens[i]) && tokens[i] !== ',')) break;
  }
  return isBare(begin) && isBare(next) && tokens[next] !== 'and';
}

/** Splits at punctuation and before determiners; a determiner that stands for a thing ("a pink one") begins nothing. */
function phrasesOf(tokens: readonly string[]): string[][] {
  const phrases: string[][] = [[]];
  tokens.forEach((token, i) => {
    const phrase = phrases[phrases.length - 1];
    if (STOPS.has(token)) phrases.push([]);
    else if (DETERMINERS.has(token) && !isStandIn(tokens, i)) phrases.push([token]);
    else phrase.push(token);
  });
  return phrases;
}

/** Whether the word stands for a thing: "one" behind its own determiner or adjective, and not before a noun. */
function isStandIn(tokens: readonly string[], i: number): boolean {
  if (!STAND_INS.has(tokens[i])) return false;
  const [before, after] = [tokens[i - 1], tokens[i + 1]];
  const isBound = before !== undefined && !JOINTS.has(before) && !STOPS.has(before);
  return isBound && (after === undefined || JOINTS.has(after) || STOPS.has(after));
}

/** The thing that a phrase names, or nothing. */
function thingOf(phrase: readonly string[], before: readonly string[] | undefined): string[] {
  const part = trimmed(withoutPassive(phrase));
  const name = part.filter((word) => (!DETERMINERS.has(word) || STAND_INS.has(word)) && !JOINTS.has(word));
  // ", by a painter", "in the style of a painter": what follows is a name, and no thing.
  if (phrase[0] === 'by' || name[0] === 'style') return [];
  if (name.every((word) => QUALITIES.has(word) || MEDIA.has(word) || PLACES.has(word))) return [];
  const of = part.indexOf('of');
  if (MEDIA.has(part[of - 1])) return thingOf(part.slice(of + 1), before);
  if (isMedium(phrase, part)) return [];
  const last = part[part.length - 1];
  if (!STAND_INS.has(last) || part.length === 1) return part;
  return before === undefined ? [] : [...part.slice(0, -1), headOf(before)];
}

/** Whether the phrase is the medium that shows what follows: "a beautiful oil painting of". */
function isMedium(phrase: readonly string[], part: readonly string[]): boolean {
  const shows = phrase[phrase.lastIndexOf(part[part.length - 1]) + 1];
  return MEDIA.has(part[part.length - 1]) && /^(of|showing|depicting|featuring)$/.test(shows ?? '');
}

/** "A tree is carried by": the tree. */
function withoutPassive(phrase: readonly string[]): readonly string[] {
  const be = phrase.findIndex((word) => /^(is|are|was|were|being)$/.test(word));
  if (be < 0) return phrase;
  return phrase[phrase.length - 1] === 'by' || phrase[be + 1]?.endsWith('ed') ? phrase.slice(0, be) : phrase;
}

/** The noun of a part: the last word before what joins or acts. */
function headOf(part: readonly string[]): string {
  const acts = (word: string) => word.endsWith('ing') && !NOUNS_IN_ING.has(word);
  const end = part.findIndex((word, i) => i > 1 && (JOINTS.has(word) || acts(word)));
  return part[(end < 0 ? part.length : end) - 1];
}

function trimmed(phrase: readonly string[]): string[] {
  const belongs = (word: string) => !JOINTS.has(word);
  // Without any that belongs this is the empty stretch from -1 to 0.
  return phrase.slice(phrase.findIndex(belongs), phrase.findLastIndex(belongs) + 1);
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
